"""Odometry on the wire: as rclpy writes and reads it, bit-exact, and joined with the joints' states by stamp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpc_ros import registry
from gpc_ros.errors import InvalidSignal
from gpc_ros.signals import Command, Measurement
from gpc_ros.simulation.parameters import NoiseParameters
from gpc_ros.tasks.base import Task

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("nav_msgs.msg", reason="needs the ROS package nav_msgs")
from nav_msgs.msg import Odometry
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from rig import Peer, Rig

from gpc_ros.nodes import odometry
from gpc_ros.nodes.estimator import Estimator
from gpc_ros.nodes.simulator import Simulator

NS = 1_000_000_000
PERIOD = 2_000_000
NOISE = NoiseParameters(pose_position=0.1, pose_rotation=0.2, twist_linear=0.3, twist_angular=0.4)
NUMBERS = st.floats(width=64, allow_nan=False)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)


def measurement(joint: str = "base", *, stamp_ns: int = NS, twist: bool = True) -> Measurement:
    readings = {f"{joint}/pose": np.arange(1.0, 8.0)}
    if twist:
        readings[f"{joint}/twist"] = np.arange(10.0, 16.0)
    return Measurement(stamp_ns, readings)


@given(
    joint=NAMES,
    stamp=st.integers(1, 2**31 * NS - 1),
    pose=st.lists(NUMBERS, min_size=7, max_size=7),
    twist=st.one_of(st.none(), st.lists(NUMBERS, min_size=6, max_size=6)),
)
@settings(max_examples=60, deadline=None)
def test_there_and_back_is_exact(joint: str, stamp: int, pose: list[float], twist: list[float] | None) -> None:
    readings = {f"{joint}/pose": np.array(pose)}
    if twist is not None:
        readings[f"{joint}/twist"] = np.array(twist)
    found = odometry.decode(odometry.encode(Measurement(stamp, readings), joint, NOISE), joint)
    assert found.stamp_ns == stamp
    assert found.readings.keys() == readings.keys()
    assert all(found.readings[name].tobytes() == readings[name].tobytes() for name in readings)


@pytest.mark.parametrize("joint", ["a", "base", "payload", "trunk_of_it"])
def test_rclpy_reads_what_is_written(joint: str) -> None:
    message = deserialize_message(odometry.encode(measurement(joint), joint, NOISE), Odometry)
    assert (message.header.frame_id, message.child_frame_id) == ("world", joint)
    pose, twist = message.pose.pose, message.twist.twist
    assert [pose.position.x, pose.position.y, pose.position.z] == [1.0, 2.0, 3.0]
    q = pose.orientation
    assert [q.w, q.x, q.y, q.z] == [4.0, 5.0, 6.0, 7.0]
    assert [twist.linear.x, twist.linear.y, twist.linear.z] == [10.0, 11.0, 12.0]
    assert [twist.angular.x, twist.angular.y, twist.angular.z] == [13.0, 14.0, 15.0]
    deviations = [np.sqrt(np.diag(np.reshape(part.covariance, (6, 6)))) for part in (message.pose, message.twist)]
    np.testing.assert_allclose(deviations, [[0.1] * 3 + [0.2] * 3, [0.3] * 3 + [0.4] * 3])


@pytest.mark.parametrize("frame", ["", "map", "odom_frame"])
def test_what_rclpy_writes_is_read(frame: str) -> None:
    message = Odometry(child_frame_id="whatever")
    message.header.frame_id = frame
    message.header.stamp.sec = 7
    message.pose.pose.position.z = 0.5
    message.twist.twist.angular.x = 2.0
    found = odometry.decode(serialize_message(message), "base")
    assert found.stamp_ns == 7 * NS
    assert found.readings["base/pose"].tolist() == [0.0, 0.0, 0.5, 1.0, 0.0, 0.0, 0.0]
    assert found.readings["base/twist"].tolist() == [0.0, 0.0, 0.0, 2.0, 0.0, 0.0]


def test_a_twist_that_is_not_measured_says_so() -> None:
    data = odometry.encode(measurement(twist=False), "base", NOISE)
    assert deserialize_message(data, Odometry).twist.covariance[0] == -1.0
    assert odometry.decode(data, "base").readings.keys() == {"base/pose"}


@pytest.mark.parametrize("cut", [0, 3, 4, 11, 30, 200, 700])
def test_what_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(InvalidSignal):
        odometry.decode(odometry.encode(measurement(), "base", NOISE)[:cut], "base")


def test_a_stamp_of_zero_is_refused() -> None:
    with pytest.raises(InvalidSignal, match="not positive"):
        odometry.decode(odometry.encode(measurement(stamp_ns=0), "base", NOISE), "base")


TASK = registry.load("tasks", "crane", Task)()


class Wire:
    """A peer that hears or says odometry."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.heard: list[bytes] = []

    def hear(self) -> None:
        node = self.peer.node
        end = node.create_subscription(Odometry, "payload/odometry", self.heard.append, QoSProfile(depth=100), raw=True)
        self.peer.until(lambda: end.get_publisher_count() > 0, "a publisher of odometry")

    def speak(self) -> Callable[[bytes], None]:
        end = self.peer.node.create_publisher(Odometry, "payload/odometry", QoSProfile(depth=100))
        self.peer.until(lambda: end.get_subscription_count() > 0, "a subscriber of odometry")
        return end.publish


@pytest.mark.ros
def test_the_simulator_publishes_it_with_the_stamp_of_the_joints(start: Callable[..., Rig], peer: Peer) -> None:
    node = start(Simulator, lockstep="true", robot="crane", start="named")
    wire = Wire(peer)
    wire.hear()
    peer.hear("joint_states")
    peer.until(lambda: wire.heard and peer.heard["joint_states"], "a measurement")
    states = node.codec.decode_measurement(peer.heard["joint_states"][-1])
    found = odometry.decode(wire.heard[-1], "payload")
    assert found.stamp_ns == states.stamp_ns == NS
    truth = TASK.start(TASK.named_start)
    np.testing.assert_allclose(found.readings["payload/pose"], truth.qpos[2:9], atol=0.05)
    assert states.readings["position"].shape == (2,)


@pytest.mark.ros
def test_the_estimator_takes_both_in_any_order(start: Callable[..., Rig], peer: Peer) -> None:
    node: Any = start(Estimator, lockstep="true", robot="crane")
    codec = node.codec
    say = Wire(peer).speak()
    peer.hear("state_estimate")
    qpos = TASK.start(TASK.named_start).qpos
    for tick in range(6):
        stamp = NS + tick * PERIOD
        readings = {"position": qpos[:2], "payload/pose": qpos[2:9]}
        taken = Measurement(stamp, readings)
        sends = [
            lambda taken=taken: peer.say("joint_states", codec.encode_measurement(taken)),
            lambda taken=taken: say(odometry.encode(taken, "payload", NOISE)),
        ]
        for send in sends[:: 1 if tick % 2 else -1]:
            send()
        peer.until(lambda tick=tick: len(peer.heard["state_estimate"]) > tick, f"estimate {tick}")
        peer.say("command", codec.encode_command(Command(stamp, np.array([0.0, 0.5, 0.5]))))
    estimates = [codec.decode_estimate(data) for data in peer.heard["state_estimate"]]
    assert [estimate.stamp_ns for estimate in estimates] == [NS + tick * PERIOD for tick in range(6)]
    np.testing.assert_allclose(estimates[-1].qpos, qpos, atol=5e-3)
    assert not node.shell.counts


@pytest.mark.ros
def test_bad_odometry_is_refused_by_its_name(start: Callable[..., Rig], peer: Peer) -> None:
    node = start(Estimator, lockstep="true", robot="crane")
    say = Wire(peer).speak()
    say(odometry.encode(measurement("payload"), "payload", NOISE)[:40])
    peer.until(lambda: node.shell.counts["payload/odometry: size"], "the refusal")
    assert any("payload/odometry refused" in text for _, text in node.said)
