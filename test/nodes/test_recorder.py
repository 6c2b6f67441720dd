"""The recorder's node: every message, as it came, in a file that outlives the process."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("sensor_msgs.msg", reason="needs the ROS package sensor_msgs")
pytest.importorskip("mcap", reason="needs mcap")
import rclpy
import tapes
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rig import Peer, Rig
from std_msgs.msg import String

from gpc_ros.errors import GpcError
from gpc_ros.nodes.controller import Controller
from gpc_ros.nodes.loop import Loop
from gpc_ros.nodes.messages import message_class
from gpc_ros.nodes.recorder import Recorder
from gpc_ros.nodes.simulator import Simulator
from gpc_ros.nodes.tap import Tap
from gpc_ros.recording.reader import Message, Recording
from gpc_ros.signals import Command
from gpc_ros.spec import Qos
from gpc_ros.statistics import Counts

pytestmark = pytest.mark.ros
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0  # a guard against hanging; nothing is measured with it


@pytest.fixture
def recorder(start: Callable[..., Rig], tmp_path: Path) -> Callable[..., Rig]:
    return lambda **parameters: start(Recorder, folder=str(tmp_path), niceness=0, **parameters)


def collected(node: Rig) -> int:
    return node.shell.tape.waiting + node.shell.tape.written.total()


def recorded(node: Rig, name: str) -> list[Message]:
    """What is in the file by now."""
    return list(Recording(node.shell.file.path).messages({name}))


@pytest.mark.parametrize("lockstep", ["false", "true"])
def test_every_message_is_there_in_order_with_its_times(
    recorder: Callable[..., Rig], peer: Peer, lockstep: str
) -> None:
    node = recorder(lockstep=lockstep)
    sent: dict[str, list[bytes]] = {"joint_states": [], "command": [], "state_estimate": []}
    for tick in range(200):
        for topic, messages in sent.items():
            messages.append(tapes.state(tick))
            peer.say(topic, messages[-1])
        if tick % 20 == 0:  # a few at a time, as what lies too long in the middleware may be lost
            peer.until(lambda: collected(node) >= 3 * len(sent["command"]), "the messages so far")
    peer.until(lambda: collected(node) >= 600, "all messages")
    assert node.shell.summary()["dropped"] == node.shell.summary()["lost"] == 0
    node.shell.tape.close()
    found = Recording(node.shell.file.path)
    assert found.flaw == ""
    for topic, messages in sent.items():
        there = list(found.messages({topic}))
        assert [message.data for message in there] == messages
        assert [message.sequence for message in there] == list(range(1, 201))
        assert [message.log_ns for message in there] == sorted(message.log_ns for message in there)
        assert all(0 < message.publish_ns <= message.log_ns for message in there)


def test_in_lock_step_it_hears_the_first_tick_though_it_comes_late(
    recorder: Callable[..., Rig], start: Callable[..., Rig], peer: Peer
) -> None:
    """Without it, no estimate of the run could be made again."""
    plant = start(Simulator, lockstep="true")
    codec, first_ns = plant.codec, plant.shell.simulation.stamp_ns

    def stepped(stamp_ns: int) -> bool:
        peer.say("command", codec.encode_command(Command(stamp_ns, np.zeros(1), epoch=plant.shell.simulation.epoch)))
        return plant.shell.simulation.stamp_ns > stamp_ns

    for tick in range(3):
        peer.until(lambda now=first_ns + tick * 2_000_000: stepped(now), "a step")
    node = recorder(lockstep="true")

    def stamps() -> set[int]:
        try:
            return {codec.decode_measurement(message.data).stamp_ns for message in recorded(node, "joint_states")}
        except GpcError:  # nothing yet
            return set()

    peer.until(lambda: stamps() >= {first_ns + tick * 2_000_000 for tick in range(4)}, "the first tick in the file")


def test_it_says_which_run_it_was(recorder: Callable[..., Rig], peer: Peer) -> None:
    node = recorder(robot="particle", rate_hz=250.0, lockstep="true")
    peer.say("joint_states", tapes.state(1))
    peer.until(lambda: node.shell.tape.written, "a message in the file")
    about = Recording(node.shell.file.path).about
    assert about.keys() == {"robot", "version", "namespace", "rate_hz", "lockstep", "begin"}
    assert (about["robot"], about["rate_hz"], about["lockstep"]) == ("particle", "250.0", "true")
    assert about["namespace"] == "/"
    assert node.shell.file.path.name.startswith("particle_20")


def test_what_was_said_before_is_recorded_once_and_what_is_said_without_latch_too(
    recorder: Callable[..., Rig], peer: Peer
) -> None:
    latch = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    before = peer.node.create_publisher(String, "controller/active", latch)
    before.publish(String(data="spc"))
    node = recorder()
    peer.until(lambda: collected(node) >= 1, "what was said before")
    plain = peer.node.create_publisher(String, "controller/active", QoSProfile(depth=1))
    peer.until(lambda: plain.get_subscription_count() > 0 and len(node.readers("/controller/active")) == 2, "ends")
    peer.until(lambda: min(node.readers("/controller/active")) >= 1, "connected ends")
    peer.until(lambda: max(node.readers("/controller/active")) >= 2, "connected ends")
    for publisher, text in ((plain, "hold"), (before, "policy")):
        publisher.publish(String(data=text))
        peer.until(lambda text=text: tapes.text(text)[:12] in texts(node), text)
    assert [text[:12] for text in texts(node)] == [tapes.text(text)[:12] for text in ("spc", "hold", "policy")]


def texts(node: Rig) -> list[bytes]:
    try:
        return [message.data[:12] for message in recorded(node, "controller/active")]
    except GpcError:  # nothing yet
        return []


def test_parameters_are_recorded_and_their_changes(
    recorder: Callable[..., Rig], start: Callable[..., Rig], peer: Peer
) -> None:
    start(Controller, robot="particle", slew_rate=2.0)
    node = recorder(robot="particle")
    peer.say("joint_states", tapes.state(1))

    def settings() -> list[dict[str, Any]]:
        found = Recording(node.shell.file.path)
        return [setting.values for setting in found.settings if setting.node == "controller"]

    peer.until(lambda: node.shell.tape.written, "a message in the file")
    first = peer.until(settings, "the parameters of the controller")[0]
    assert (first["planner"], first["slew_rate"], first["robot"]) == ("spc", 2.0, "particle")
    request = SetParameters.Request(parameters=[Parameter("blend_time_s", value=0.25).to_parameter_msg()])
    peer.call(SetParameters, "controller/set_parameters", request)
    peer.until(lambda: len(settings()) > 1, "the change")
    assert settings()[1:] == [{"blend_time_s": 0.25}]


def test_what_does_not_fit_is_counted_and_said(recorder: Callable[..., Rig], peer: Peer) -> None:
    node = recorder(queue=1)
    assert node.shell.trouble() == ""
    while not node.shell.tape.dropped:
        for tick in range(20):
            peer.say("joint_states", tapes.state(tick))
        peer.spin()
    assert node.shell.trouble() == f"{node.shell.tape.dropped.total()} messages dropped"
    figures = node.shell.figures()
    assert figures["dropped"] == node.shell.tape.dropped.total()
    assert "/joint_states: " in figures["dropped by topic"]


def test_a_disk_that_is_full_is_said_and_the_node_goes_on(
    recorder: Callable[..., Rig], peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = recorder()

    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(node.shell.file, "flush", full)
    peer.until(lambda: node.shell.tape.trouble, "the failed write")
    assert node.shell.trouble() == f"not recording: {node.shell.file.path}: No space left on device"
    peer.until(lambda: any(level == "error" for level, _ in node.said), "a line")
    assert node.shell.figures()["messages"] == 0


class End:
    """Stands in for a subscription that has received messages with these counts, all of one publisher."""

    topic_name = "/a"
    msg_type = None

    def __init__(self, counts: list[int | None]) -> None:
        infos = [{"publisher_gid": {"data": b"p"}, "publication_sequence_number": count} for count in counts]
        self.handle: Any = nullcontext()
        self.handle.take_message = lambda kind, raw: (b"", infos.pop(0)) if infos else None


class Ends(list[End]):
    """Stands in for a node: hands out ends in the order in which they are created."""

    def create_subscription(self, *_: Any, **__: Any) -> End:
        return self.pop(0)


@pytest.mark.parametrize(
    ("qos", "counts", "taken", "lost"),
    [
        (Qos.STATE, [[5, 6, 7]], [5, 6, 7], 0),
        (Qos.STATE, [[5, 8, 9, 20]], [5, 8, 9, 20], 12),
        (Qos.EVENT, [[None, None]], [None, None], 0),
        (Qos.LATCHED, [[1, 2], [2, 3]], [1, 2, 3], 0),
    ],
)
def test_losses_are_counted_and_what_comes_by_two_ways_is_taken_once(
    qos: Qos, counts: list[list[int | None]], taken: list[int | None], lost: int
) -> None:
    found, losses = list[Any](), Counts()
    tap = Tap(Ends(map(End, counts)), String, "a", qos, depth=10, lost=losses)
    tap.drain(lambda data, info: found.append(info["publication_sequence_number"]))
    assert found == taken
    assert losses.total() == lost


def test_without_mcap_or_folder_it_is_one_line(
    recorder: Callable[..., Rig], start: Callable[..., Rig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(GpcError, match=f"{tmp_path}/file/cart_pole_.*mcap: (Not a directory|File exists)"):
        start(Recorder, folder=str(tmp_path / "file"))
    monkeypatch.delitem(sys.modules, "gpc_ros.recording.extra", raising=False)
    monkeypatch.setitem(sys.modules, "mcap.records", None)
    with pytest.raises(GpcError, match=r"recordings need mcap.*gpc_ros\[watch\]"):
        recorder()


class Process:
    """A recorder as a process of its own, and a peer that speaks to it until it is heard."""

    def __init__(self, domain: int, folder: Path, peer: Peer) -> None:
        given = {"robot": "particle", "folder": folder, "lockstep": "true"}  # in lock-step nothing is lost
        command = [sys.executable, "-m", "gpc_ros.nodes.recorder", "--ros-args"]
        command += [part for pair in given.items() for part in ("-p", "{}:={}".format(*pair))]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "ROS_DOMAIN_ID": str(domain)}
        self.popen = subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE)
        self._folder = folder
        self._peer = peer
        qos = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._publisher = peer.node.create_publisher(message_class("sensor_msgs/JointState"), "joint_states", qos)
        self.sent: list[bytes] = []
        self.sent_s: list[float] = []

    def say(self) -> None:
        self.sent.append(tapes.state(len(self.sent)))
        self.sent_s.append(time.monotonic())
        self._publisher.publish(self.sent[-1])

    def speak(self, seconds: float) -> float:
        """Say something some hundred times a second; the longest pause [s] that this machine has made in it."""
        first, end = len(self.sent), time.monotonic() + seconds
        while time.monotonic() < end:
            self.say()
            time.sleep(0.005)
        times = self.sent_s[first:]
        return max(after - before for before, after in itertools.pairwise(times))

    def until_it_has_written(self) -> Path:
        """The recording, once it holds anything, with the recorder still at work."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self._peer.spin()
            self.say()
            for file in self._folder.glob("*.mcap"):
                if joint_states(file):
                    return file
        self.popen.kill()
        raise AssertionError(f"waited in vain for the recording: {self.popen.communicate()}")


def joint_states(file: Path) -> list[bytes]:
    try:
        return [message.data for message in Recording(file).messages({"joint_states"})]
    except GpcError:  # nothing in it yet
        return []


def test_a_recorder_that_never_began_leaves_no_file(domain: int, tmp_path: Path) -> None:
    """As one that is refused beside another of its name."""
    context = Context()
    arguments = ["--ros-args", "-p", f"folder:={tmp_path}", "-p", "niceness:=0", "--log-level", "FATAL"]
    rclpy.init(args=arguments, context=context, domain_id=domain)
    shell = Recorder(Loop(context), context)
    assert list(tmp_path.iterdir()) == [shell.file.path]
    shell.close()
    shell.node.destroy_node()
    rclpy.try_shutdown(context=context)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def process(domain: int, tmp_path: Path, peer: Peer) -> Iterator[Process]:
    found = Process(domain, tmp_path, peer)
    yield found
    found.popen.kill()
    found.popen.communicate()


def test_after_kill_9_everything_but_the_last_second_is_there(process: Process) -> None:
    file = process.until_it_has_written()
    before, pause_s = len(process.sent), process.speak(2.5)
    process.popen.kill()
    killed_s = time.monotonic()
    process.popen.wait()
    assert Recording(file).flaw == "cut off"
    found = joint_states(file)
    first = process.sent.index(found[0])
    end = first + len(found)
    assert first < before < end
    assert found == process.sent[first:end]
    assert end == len(process.sent) or killed_s - process.sent_s[end] < 1.0 + pause_s


def test_asked_to_end_it_closes_the_file_and_says_what_is_in_it(process: Process) -> None:
    file = process.until_it_has_written()
    process.popen.send_signal(signal.SIGTERM)
    _, told = process.popen.communicate(timeout=PATIENCE_S)
    assert re.search(r"real time: niceness (-10|\(-10\) refused)", told)
    assert process.popen.returncode == 0, told
    recording = Recording(file)
    assert recording.flaw == ""
    assert f"[recorder]: recording to {file}\n" in told
    assert f"[recorder]: recorded {recording.counts.total()} messages in " in told
    assert f": {file}\n" in told
