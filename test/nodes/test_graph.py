"""The running nodes are what the table says of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
from rig import Peer, Rig

from gpc_ros import spec
from gpc_ros.nodes.controller import Controller
from gpc_ros.nodes.estimator import Estimator
from gpc_ros.nodes.monitor import Monitor
from gpc_ros.nodes.policy_server import PolicyServer
from gpc_ros.nodes.recorder import Recorder
from gpc_ros.nodes.shell import Shell
from gpc_ros.nodes.simulator import Simulator
from gpc_ros.nodes.spc import Spc
from gpc_ros.nodes.web import Web

pytestmark = pytest.mark.ros
ODOMETRY = "free_joint/odometry"
SHELLS = {shell.name: shell for shell in (Simulator, Estimator, PolicyServer, Controller, Spc)}
NAMES = {f"/{topic.lstrip('/')}": topic for topic in spec.TOPICS} | {"/parameter_events": "", "/rosout": ""}


def named(end: Any) -> str:
    """The topic of the table that ``end`` is on; the crane's free joint is its payload."""
    return NAMES[end.topic_name.replace("/payload/", "/free_joint/")]


def test_there_is_a_shell_for_every_node() -> None:
    assert SHELLS.keys() == spec.CONTROL.keys()


@pytest.mark.parametrize(("robot", "free"), [("particle", set()), ("crane", {ODOMETRY})])
@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_a_node_has_the_ends_of_the_table_no_more_and_no_fewer(
    start: Callable[..., Rig], shell: type[Shell], robot: str, free: set[str]
) -> None:
    everything = {"publish_clock": "true"} if shell is Simulator else {}
    node = start(shell, robot=robot, **everything).shell.node
    entry, absent = spec.NODES[shell.name], {ODOMETRY} - free
    assert {named(end) for end in node.subscriptions} - {""} == set(entry.inputs) - absent
    assert {named(end) for end in node.publishers} - {""} == set(entry.outputs) - absent
    for end in (*node.subscriptions, *node.publishers):
        if topic := named(end):
            kind = end.msg_type
            assert spec.TOPICS[topic].message == f"{kind.__module__.split('.')[0]}/{kind.__name__}"


def test_the_monitor_has_the_ends_of_the_table_once_somebody_listens(start: Callable[..., Rig], peer: Peer) -> None:
    node, entry = start(Monitor, robot="particle").shell.node, spec.NODES["monitor"]

    def ends() -> set[str]:
        return {NAMES.get(end.topic_name, end.topic_name) for end in node.subscriptions} - {""}

    assert ends() == {topic for topic in entry.inputs if topic not in ("ground_truth", "spc/candidates")}
    peer.hear("markers")
    peer.until(lambda: ends() == set(entry.inputs), "the inputs of markers")
    written = {end.topic_name for end in node.publishers} - {"/tf"}  # only where tf2_msgs is installed
    assert {NAMES[topic] for topic in written} - {""} == set(entry.outputs)
    for end in (*node.subscriptions, *node.publishers):
        if topic := NAMES.get(end.topic_name, ""):
            kind = end.msg_type
            assert spec.TOPICS[topic].message == f"{kind.__module__.split('.')[0]}/{kind.__name__}"


def test_the_web_node_has_those_of_the_table_while_a_browser_looks(start: Callable[..., Rig]) -> None:
    pytest.importorskip("viser", reason="needs viser")
    from browsers import Browser

    rig = start(Web, robot="particle", port=18_700)
    browser = Browser(rig.shell.server.address)
    browser.until(lambda: rig.shell.port.is_open, "the node to listen")
    rig.shell.port.go_to(rig.shell.task.start("corner").goal)  # of two publishers of one goal, only who moves it speaks
    ends = (*rig.shell.node.subscriptions, *rig.shell.node.publishers)
    assert {NAMES[end.topic_name] for end in rig.shell.node.subscriptions} - {""} == set(spec.NODES["web"].inputs)
    assert {NAMES[end.topic_name] for end in rig.shell.node.publishers} - {""} == set(spec.NODES["web"].outputs)
    kinds = {NAMES[end.topic_name]: end.msg_type for end in ends}
    assert all(spec.TOPICS[t].message.endswith(f"/{kinds[t].__name__}") for t in kinds if t)
    browser.close()


def test_the_recorder_has_those_of_the_table_and_one_for_each_free_joint(
    start: Callable[..., Rig], tmp_path: Path
) -> None:
    pytest.importorskip("mcap", reason="needs mcap")
    rig = start(Recorder, robot="crane", folder=str(tmp_path), niceness=0)
    odometry = {f"/{joint}/odometry": "free_joint/odometry" for joint in rig.codec.free_joints}
    names = NAMES | odometry
    expected = set(spec.NODES["recorder"].inputs)
    assert {names[end.topic_name] for end in rig.shell.node.subscriptions} - {""} == expected
    assert "/payload/odometry" in {end.topic_name for end in rig.shell.node.subscriptions}
    assert {names[end.topic_name] for end in rig.shell.node.publishers} - {""} == set(spec.NODES["recorder"].outputs)
    for end in rig.shell.node.subscriptions:
        if topic := names[end.topic_name]:
            assert spec.TOPICS[topic].message.endswith(f"/{end.msg_type.__name__}")


@pytest.mark.parametrize("lockstep", ["false", "true"])
def test_topics_are_carried_as_the_table_says(start: Callable[..., Rig], lockstep: str) -> None:
    from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

    node = start(Controller, lockstep=lockstep).shell.node
    found = {NAMES[end.topic_name]: end.qos_profile for end in node.publishers}
    reliable = found["command"].reliability is ReliabilityPolicy.RELIABLE
    assert reliable is (lockstep == "true")  # real time would rather lose a command than have an old one
    assert found["controller/active"].durability is DurabilityPolicy.TRANSIENT_LOCAL
