"""Goals as poses: what one end tells is what the other takes, and what any tool that sends poses says."""

from __future__ import annotations

from itertools import count
from math import cos, pi, sin
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("geometry_msgs.msg", reason="needs the ROS package geometry_msgs")
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped

from gpc_ros import registry
from gpc_ros.nodes.codec import time_message
from gpc_ros.nodes.goals import Goals
from gpc_ros.signals import Array
from gpc_ros.statistics import Counts
from gpc_ros.tasks.base import Task

NS = 1_000_000_000


class Wire:
    """A shell without a graph: keeps what is published, hands over what is said."""

    def __init__(self, robot: str, *, relay: bool = False) -> None:
        self.task: Task = registry.load("tasks", robot, Task)()
        self.counts = Counts()
        self.heard: list[Any] = []
        self.sent: list[PoseStamped] = []
        self.taken: list[Array] = []
        stamp = SimpleNamespace(to_msg=Time)
        self.node = SimpleNamespace(get_clock=lambda: SimpleNamespace(now=lambda: stamp))
        self.goals = Goals(self, self.taken.append, relay=relay)
        self._now_ns = count(5 * NS, 1000)

    def on_event(self, topic: str, callback: Any, *, latched: bool = True) -> None:
        assert topic == "goal_pose"
        self.heard.append(callback)

    def publisher(self, topic: str) -> Any:
        assert topic == "goal_pose"
        return SimpleNamespace(publish=self.sent.append)

    def say(self, level: str, text: str, *, key: str = "") -> None:
        assert level == "warn"
        assert "\n" not in text

    def hear(self, message: PoseStamped, sent_ns: int = 0, received_ns: int = 0) -> Array | None:
        """What is taken of ``message`` when both ends hear it; by default it was sent after those before."""
        self.taken.clear()
        sent_ns = sent_ns or next(self._now_ns)
        for end in self.heard:
            end(message, {"source_timestamp": sent_ns, "received_timestamp": received_ns or sent_ns})
        assert len(self.taken) <= 1
        return self.taken[0] if self.taken else None


def pose(
    x: float = 0.0,
    y: float = 0.0,
    z: float = 0.0,
    quat_wxyz: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0),
    *,
    frame: str = "",
    stamp_ns: int = 0,
) -> Any:
    message = PoseStamped()
    message.header.frame_id, message.header.stamp = frame, time_message(stamp_ns)
    message.pose.position.x, message.pose.position.y, message.pose.position.z = x, y, z
    q = message.pose.orientation
    q.w, q.x, q.y, q.z = quat_wxyz
    return message


@pytest.mark.parametrize(
    ("robot", "goal", "frame"),
    [
        ("particle", [0.1, -0.2], "world"),
        ("crane", [0.3, 1.4, 0.7], "world"),
        ("crane", [0.3, 1.4, 0.0], "world"),
        ("push_t", [0.1, -0.2, 0.6], "world"),
        ("push_t", [0.0, 0.0, -3.0], "world"),
        ("walker", [-1.2], "speed"),
    ],
)
def test_what_is_told_is_taken(robot: str, goal: list[float], frame: str) -> None:
    wire = Wire(robot)
    wire.goals.publish(np.array(goal))
    (message,) = wire.sent
    assert message.header.frame_id == frame
    taken = wire.hear(message)
    assert taken is not None
    np.testing.assert_allclose(taken, goal, atol=1e-12)


@pytest.mark.parametrize("length", [0.1, 1.0, 30.0])
def test_yaw_of_an_orientation_of_any_length(length: float) -> None:
    """Turned by -2 about z, then tilted by 0.4 about an axis in the plane: the heading stays nearly what it was."""
    flat = (cos(-1.0), 0.0, 0.0, sin(-1.0))
    taken = Wire("push_t").hear(pose(0.1, 0.2, 9.0, tuple(length * value for value in flat)))
    assert taken is not None
    np.testing.assert_allclose(taken, [0.1, 0.2, -2.0], atol=1e-12)
    tilted = (cos(0.2) * flat[0], sin(0.2) * flat[0], -sin(0.2) * flat[3], cos(0.2) * flat[3])
    taken = Wire("push_t").hear(pose(quat_wxyz=tilted))
    assert taken is not None
    assert abs((taken[2] + 2.0 + pi) % (2 * pi) - pi) < 0.1


def test_an_orientation_that_nobody_filled_in_is_no_turn() -> None:
    taken = Wire("push_t").hear(pose(0.1, 0.2, quat_wxyz=(0.0, 0.0, 0.0, 0.0)))
    assert taken is not None
    np.testing.assert_allclose(taken, [0.1, 0.2, 0.0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", range(6))
def test_what_is_not_finite_is_refused(place: int, value: float) -> None:
    wire = Wire("push_t")
    numbers = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    numbers[place] = value
    taken = wire.hear(pose(*numbers[:2], 0.0, tuple(numbers[2:])))
    assert taken is None
    assert wire.counts == {"goal_pose: nonfinite": 2}  # by both ends


@pytest.mark.parametrize(
    ("robot", "frame", "fits"),
    [
        ("walker", "world", False),  # a place that somebody clicks on is no speed
        ("walker", "speed", True),
        ("walker", "", True),
        ("push_t", "world", True),
        ("push_t", "", True),
        ("push_t", "speed", False),
        ("crane", "map", False),
    ],
)
def test_only_the_frame_of_its_kind_of_goal_is_taken(robot: str, frame: str, *, fits: bool) -> None:
    wire = Wire(robot)
    taken = wire.hear(pose(8.0, 0.5, 0.25, frame=frame))
    assert (taken is not None) == fits
    assert wire.counts == ({} if fits else {"goal_pose: frame": 2})


def test_a_tool_that_knows_the_plane_alone_leaves_the_height_as_it_is() -> None:
    wire = Wire("crane")
    assert wire.hear(pose(0.5, 1.0, 0.0, frame="world")).tolist() == [0.5, 1.0, 0.8]
    assert wire.hear(pose(0.5, 1.0, 1.1, frame="world")).tolist() == [0.5, 1.0, 1.1]
    assert wire.hear(pose(-0.5, 1.0, 0.0, frame="world")).tolist() == [-0.5, 1.0, 1.1]
    assert wire.hear(pose(-0.5, 1.0, 0.0)).tolist() == [-0.5, 1.0, 0.0]  # in no frame, a pose is as it is


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_what_several_say_the_last_word_holds_in_whatever_order_it_comes(order: tuple[int, int]) -> None:
    wire = Wire("particle")
    said = [(pose(0.1), 6 * NS), (pose(0.2), 7 * NS)]
    for index in order:
        wire.hear(*said[index])
    assert wire.goals._goals.goal.tolist() == [0.2, 0.0]


def test_what_is_relayed_does_not_overtake_what_was_said_after_it() -> None:
    """Simulator and a planner hear two goals in a row; the first comes again when the second is there already."""
    simulator, planner = Wire("particle", relay=True), Wire("particle")
    words = [(pose(0.1, stamp_ns=6 * NS), 6 * NS + 1), (pose(0.2), 6 * NS + 1000)]
    for message, sent_ns in words:
        simulator.hear(message, sent_ns)
        planner.hear(message, sent_ns)
    assert [message.pose.position.x for message in simulator.sent] == [0.1, 0.2]
    for number, message in enumerate(simulator.sent):
        for wire in (simulator, planner):
            assert wire.hear(message, 6 * NS + 2000 + number) is None
    assert len(simulator.sent) == 2
    late = Wire("particle")
    for message in reversed(simulator.sent):
        late.hear(message, 6 * NS + 3000)
    assert late.goals._goals.goal.tolist() == [0.2, 0.0]


def test_a_stamp_of_another_clock_does_not_count() -> None:
    wire = Wire("particle")
    assert wire.hear(pose(0.1, stamp_ns=6 * NS), 6 * NS) is not None
    assert wire.hear(pose(0.2, stamp_ns=3), 6 * NS + 1) is not None  # simulated time
    assert wire.hear(pose(0.3, stamp_ns=3600 * NS), 3600 * NS, 7 * NS) is not None  # a host whose clock is ahead
    assert wire.hear(pose(0.4), 8 * NS) is not None


def test_a_task_without_a_goal_hears_and_says_nothing() -> None:
    wire = Wire("cart_pole")
    wire.goals.publish(np.empty(0))
    assert not wire.heard
    assert not wire.sent
