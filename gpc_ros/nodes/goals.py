"""Goals on ``goal_pose``: published by the simulator at each start, set by RViz's goal tool or anybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped

from gpc_ros.signals import Array


class Goals:
    """Both ends of ``goal_pose`` for a task whose goal (ng,) begins with x, y (and z) [m]."""

    def __init__(self, shell: Any, take: Callable[[Array], None]) -> None:
        self._shell = shell
        self._take = take
        self._publisher: Any = None
        shell.on_event("goal_pose", self._on_pose)  # the latest, from a simulator
        shell.on_event("goal_pose", self._on_pose, latched=False)  # RViz and ros2 topic pub offer no latched ones

    def publish(self, goal: Array) -> None:
        """Tell the others."""
        self._publisher = self._publisher or self._shell.publisher("goal_pose")
        message = PoseStamped()
        message.header.frame_id = "world"
        message.header.stamp = self._shell.node.get_clock().now().to_msg()
        position = message.pose.position
        position.x, position.y, position.z = (float(v) for v in (*goal, 0.0)[:3])
        message.pose.orientation.w = 1.0
        self._publisher.publish(message)

    def _on_pose(self, message: PoseStamped) -> None:
        position = message.pose.position
        goal = np.array([position.x, position.y, position.z])[: len(self._shell.task.goal)]
        if np.isfinite(goal).all():
            self._take(goal)
        else:
            self._shell.counts["goal_pose: nonfinite"] += 1
            self._shell.say("warn", "goal_pose refused: not finite")
