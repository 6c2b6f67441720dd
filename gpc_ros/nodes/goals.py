"""Goals on ``goal_pose``: published by the simulator at each start, set by RViz's goal tool or anybody."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import Pose, PoseStamped

from gpc_ros.signals import Array

_OF_A_POSE = ("x", "y", "z", "yaw")


class Goals:
    """Both ends of ``goal_pose``, for a task that has a goal; for one that has none, nothing.

    The numbers of a goal (ng,) are those of the pose that ``Task.goal_names`` gives. What no pose holds, as a speed,
    travels in the place of x, y and z, with its names in the place of the frame.
    """

    def __init__(self, shell: Any, take: Callable[[Array], None]) -> None:
        self._shell = shell
        self._take = take
        self._publisher: Any = None
        names = shell.task.goal_names[: len(shell.task.goal)]
        is_pose = set(names) <= set(_OF_A_POSE)
        self._fields = names if is_pose else _OF_A_POSE[: len(names)]
        self._frame = "world" if is_pose else " ".join(names)
        if names:
            shell.on_event("goal_pose", self._on_pose)  # the latest, from a simulator
            shell.on_event("goal_pose", self._on_pose, latched=False)  # RViz and ros2 topic pub offer no latched ones

    def publish(self, goal: Array) -> None:
        """Tell the others."""
        if not self._fields:
            return
        self._publisher = self._publisher or self._shell.publisher("goal_pose")
        message = PoseStamped(pose=_pose(dict(zip(self._fields, goal, strict=True))))
        message.header.frame_id = self._frame
        message.header.stamp = self._shell.node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _on_pose(self, message: PoseStamped) -> None:
        position = message.pose.position
        values = {"x": position.x, "y": position.y, "z": position.z, "yaw": _yaw(message.pose)}
        goal = np.array([values[field] for field in self._fields])
        if np.isfinite(goal).all():
            self._take(goal)
        else:
            self._shell.counts["goal_pose: nonfinite"] += 1
            self._shell.say("warn", "goal_pose refused: not finite")


def _pose(values: dict[str, float]) -> Pose:
    pose = Pose()
    place = pose.position
    place.x, place.y, place.z = (float(values.get(name, 0.0)) for name in ("x", "y", "z"))
    half = float(values.get("yaw", 0.0)) / 2.0
    pose.orientation.z, pose.orientation.w = math.sin(half), math.cos(half)
    return pose


def _yaw(pose: Pose) -> float:
    """Turn about z [rad] of an orientation, whatever the length of its quaternion; nan if that is not finite."""
    q = pose.orientation
    if not math.isfinite(q.w + q.x + q.y + q.z):
        return math.nan
    return math.atan2(2.0 * (q.w * q.z + q.x * q.y), q.w * q.w + q.x * q.x - q.y * q.y - q.z * q.z)
