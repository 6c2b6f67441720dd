"""Goals as poses: what one end tells is what the other takes, and what any tool that sends poses says."""

from __future__ import annotations

from math import cos, pi, sin
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("geometry_msgs.msg", reason="needs the ROS package geometry_msgs")
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped

from gpc_ros import registry
from gpc_ros.nodes.goals import Goals
from gpc_ros.signals import Array
from gpc_ros.statistics import Counts
from gpc_ros.tasks.base import Task


class Wire:
    """A shell without a graph: keeps what is published, hands over what is said."""

    def __init__(self, robot: str) -> None:
        self.task: Task = registry.load("tasks", robot, Task)()
        self.counts = Counts()
        self.heard: list[Any] = []
        self.sent: list[PoseStamped] = []
        self.taken: list[Array] = []
        stamp = SimpleNamespace(to_msg=Time)
        self.node = SimpleNamespace(get_clock=lambda: SimpleNamespace(now=lambda: stamp))
        self.goals = Goals(self, self.taken.append)

    def on_event(self, topic: str, callback: Any, *, latched: bool = True) -> None:
        assert topic == "goal_pose"
        self.heard.append(callback)

    def publisher(self, topic: str) -> Any:
        assert topic == "goal_pose"
        return SimpleNamespace(publish=self.sent.append)

    def say(self, level: str, text: str) -> None:
        assert level == "warn"
        assert "\n" not in text

    def hear(self, message: PoseStamped) -> Array | None:
        self.taken.clear()
        self.heard[0](message)
        return self.taken[0] if self.taken else None


def pose(x: float = 0.0, y: float = 0.0, z: float = 0.0, quat_wxyz: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)) -> Any:
    message = PoseStamped()
    message.pose.position.x, message.pose.position.y, message.pose.position.z = x, y, z
    q = message.pose.orientation
    q.w, q.x, q.y, q.z = quat_wxyz
    return message


@pytest.mark.parametrize(
    ("robot", "goal", "frame"),
    [
        ("particle", [0.1, -0.2], "world"),
        ("crane", [0.3, 1.4, 0.7], "world"),
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
    assert wire.counts == {"goal_pose: nonfinite": 1}


def test_a_task_without_a_goal_hears_and_says_nothing() -> None:
    wire = Wire("cart_pole")
    wire.goals.publish(np.empty(0))
    assert not wire.heard
    assert not wire.sent
