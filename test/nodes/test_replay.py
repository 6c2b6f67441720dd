"""``gpc replay``: heard by those who listen, in order, and never by a running robot unasked."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("sensor_msgs.msg", reason="needs the ROS package sensor_msgs")
pytest.importorskip("mcap", reason="needs mcap")
import tapes
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rig import Peer, Rig

from gpc_ros import spec
from gpc_ros.cli import replay
from gpc_ros.cli.main import main
from gpc_ros.errors import GpcError
from gpc_ros.nodes import network
from gpc_ros.nodes.messages import message_class
from gpc_ros.nodes.monitor import Monitor
from gpc_ros.nodes.playback import Stage
from gpc_ros.recording.reader import Channel, Recording

pytestmark = pytest.mark.ros
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0  # a guard against hanging; nothing is measured with it
MS = tapes.MS
ROWS: list[tapes.Row] = [
    ("controller/active", 0, tapes.text("hold")),
    *((topic, (1 + tick) * MS, tapes.state(tick)) for tick in range(50) for topic in ("joint_states", "command")),
    ("controller/active", 30 * MS + 1, tapes.text("spc")),
]
ROWS.sort(key=lambda row: row[1])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tapes.write(tmp_path_factory.mktemp("replay") / "a.mcap", ROWS)


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Claims of names end with the test."""
    held: list[Any] = []
    monkeypatch.setattr(network, "_claims", held)
    yield
    for claim in held:
        claim.close()


@pytest.fixture
def stage(domain: int, claims: None) -> Iterator[Callable[..., Stage]]:
    """Where the channels of a recording are played, all but for the topics that ``meant`` names by default."""
    found: list[Stage] = []

    def build(file: Path, topics: list[str] | None = None) -> Stage:
        names = replay._chosen(Recording(file), topics)
        found.append(Stage(names, meant=topics or (), namespace="/"))
        return found[-1]

    yield build
    for each in found:
        each.close()


def listen(peer: Peer, topic: str) -> list[bytes]:
    """What comes on ``topic`` from now on, as a best effort listener or one of latched messages hears it."""
    entry, heard = spec.TOPICS[topic], list[bytes]()
    profile = QoSProfile(depth=1000, reliability=ReliabilityPolicy.BEST_EFFORT)
    if entry.qos is spec.Qos.LATCHED:
        profile = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    peer.node.create_subscription(message_class(entry.message), topic, heard.append, profile, raw=True)
    return heard


def test_listeners_hear_every_message_in_order(file: Path, domain: int) -> None:
    """From another process, at its pace and begun again, until it is told to end."""
    peer = Peer(domain, "rviz2")
    heard = {topic: listen(peer, topic) for topic in ("joint_states", "command", "controller/active")}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ROS_DOMAIN_ID": str(domain)}
    command = [sys.executable, "-m", "gpc_ros.cli.main", "replay", str(file), "--loop", "--rate", "0.5"]
    process = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + PATIENCE_S
    while len(heard["joint_states"]) < 120:
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        peer.spin()
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (0, "")
    assert "playing 0.1 s at 0.5 times the pace, 3 topics (Ctrl-C stops)\nplayed " in out
    peer.spin()
    peer.close()
    sent = defaultdict(list[bytes])
    for topic, _, data in ROWS:
        sent[topic].append(data)
    for topic in ("joint_states", "command"):
        place = {data: index for index, data in enumerate(sent[topic])}
        ticks = [place[data] for data in heard[topic]]
        assert set(ticks) == set(range(50))
        assert all(b > a or b == 0 or a - b > 25 for a, b in itertools.pairwise(ticks))  # only forward
    assert {data[4:] for data in heard["controller/active"]} <= {data[4:] for data in sent["controller/active"]}


def test_a_stack_that_runs_on_this_machine_is_left_alone(file: Path, stage: Callable[..., Stage], domain: int) -> None:
    network.claim("/controller")
    with pytest.raises(GpcError, match=f"/controller is already running in domain {domain}"):
        stage(file)


def test_no_stack_starts_beside_a_replay(file: Path, stage: Callable[..., Stage]) -> None:
    stage(file, ["joint_states"])
    for name in ("gpc up", "/simulator", "/controller"):
        with pytest.raises(GpcError, match=f"{name} is already running"):
            network.claim(name)


def test_topics_that_somebody_publishes_are_refused(file: Path, stage: Callable[..., Stage], peer: Peer) -> None:
    peer.node.create_publisher(message_class("sensor_msgs/JointState"), "joint_states", 1)
    with pytest.raises(GpcError, match="/peer publishes /joint_states, a replay would mix with it: stop it, or set"):
        stage(file)


def test_a_robot_is_not_moved_unasked(file: Path, stage: Callable[..., Stage], peer: Peer) -> None:
    listen(peer, "command")
    with pytest.raises(GpcError, match=r"/peer listens to /command and may move.*--topics, command among them"):
        stage(file)


def test_a_robot_is_moved_when_that_is_meant(file: Path, stage: Callable[..., Stage], peer: Peer) -> None:
    heard = listen(peer, "command")
    on = stage(file, ["command"])
    messages = list(Recording(file).messages({"command"}))
    for message in messages:
        on.publish(message)
    peer.until(lambda: len(heard) == 50, "all commands")
    assert heard == [message.data for message in messages]


def test_who_only_watches_may_listen(file: Path, stage: Callable[..., Stage], start: Callable[..., Rig]) -> None:
    start(Monitor, robot="cart_pole")
    stage(file).close()


def test_the_name_of_a_listener_is_waited_for(
    file: Path, stage: Callable[..., Stage], peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends are known before the names of their nodes."""
    listen(peer, "command")
    asked, ask = 0, Node.get_subscriptions_info_by_topic

    def nameless_at_first(node: Node, topic: str) -> list[Any]:
        nonlocal asked
        found = ask(node, topic)
        asked += bool(found)
        for end in found:
            end.node_name = "_NODE_NAME_UNKNOWN_" if asked < 5 else "rviz2"
        return found

    monkeypatch.setattr(Node, "get_subscriptions_info_by_topic", nameless_at_first)
    stage(file)
    assert asked >= 5


@pytest.mark.parametrize("kind", ["no_such_msgs/Thing", "std_msgs/NoSuchThing", ""])
def test_a_message_type_that_is_not_installed_is_named(claims: None, kind: str) -> None:
    with pytest.raises(GpcError, match=f"/a: messages of type {kind or 'unknown'} are not installed; leave it out by"):
        Stage({Channel("/a", kind): "a"}, meant=(), namespace="/")


def test_from_the_middle_latched_messages_come_first(file: Path) -> None:
    recording = Recording(file)
    names = replay._chosen(recording, None)
    found = list(replay._beginning(recording, names, tapes.BEGIN_NS + 20 * MS))
    assert found[0].data == tapes.text("hold")
    assert [message.log_ns for message in found[1:]] == sorted(message.log_ns for message in found[1:])
    assert found[1].log_ns == tapes.BEGIN_NS + 20 * MS
    assert sum(message.channel.topic == "/joint_states" for message in found) == 31
    late = list(replay._beginning(recording, names, tapes.BEGIN_NS + 40 * MS))
    assert [message.data for message in late if message.channel.topic == "/controller/active"] == [tapes.text("spc")]


@pytest.mark.parametrize("topics", [["command"], ["/command"], ["command", "/command"]])
def test_topics_are_chosen_by_name(file: Path, topics: list[str]) -> None:
    assert list(replay._chosen(Recording(file), topics).values()) == ["command"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--topics", "command", "comand"], "unknown recorded topic 'comand'. Did you mean 'command'?"),
        (["--from", "50"], "--from 50: the recording is 0.1 s long"),
        (["--from", "-1"], "--from -1: must be a number of seconds of at least 0"),
        (["--rate", "0"], "--rate 0: must be a number above 0"),
        (["--rate", "fast"], "--rate fast: must be a number above 0"),
        (["--rate", "nan"], "--rate nan: must be a number above 0"),
    ],
)
def test_mistakes_are_one_line(file: Path, capsys: Any, arguments: list[str], words: str) -> None:
    assert main(["replay", str(file), *arguments]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"gpc: {words}")
    assert told.count("\n") == 1


def test_of_a_file_that_is_cut_off_it_is_said_how_far_it_goes(file: Path, tmp_path: Path, capsys: Any) -> None:
    cut = tmp_path / "cut.mcap"
    tapes.write(tmp_path / "whole.mcap", ROWS, flush_every=20)
    cut.write_bytes((tmp_path / "whole.mcap").read_bytes()[: file.stat().st_size // 2])
    assert main(["replay", str(cut), "--from", "50"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert re.fullmatch(f"{cut}: cut off; (20|40|60|80) messages in 0.0 s", said[0])
    assert said[1:] == ["gpc: --from 50: the recording is 0.0 s long"]
