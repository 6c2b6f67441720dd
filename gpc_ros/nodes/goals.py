"""Goals on ``goal_pose``: published by the simulator at each start, set by RViz's goal tool or anybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped

from gpc_ros import goals
from gpc_ros.errors import InvalidSignal
from gpc_ros.nodes.codec import time_message
from gpc_ros.signals import NS_PER_S, Array


class Goals:
    """Both ends of ``goal_pose``, for a task that has a goal; for one that has none, nothing.

    ``take`` is called with each new goal (ng,). With ``relay`` it is also told again, latched: most tools that set
    goals latch nothing, and whoever starts afterwards would never hear of it.
    """

    def __init__(self, shell: Any, take: Callable[[Array], None], *, relay: bool = False) -> None:
        self._shell = shell
        self._take = take
        self._relay = relay
        self._names = shell.task.goal_names
        self._goals = goals.Goals(shell.task)
        self._publisher: Any = None
        self._told: Array | None = None
        if self._goals.fields:
            shell.on_event("goal_pose", self._on_pose)  # the latest, from those who latch
            shell.on_event("goal_pose", self._on_pose, latched=False)  # RViz and ros2 topic pub offer no latched ones

    def publish(self, goal: Array, said_ns: int = 0) -> None:
        """Tell the others; ``said_ns`` is when it was said first [ns, system clock], 0: now."""
        if not self._goals.fields:
            return
        self._publisher = self._publisher or self._shell.publisher("goal_pose")
        self._told = goal
        message = PoseStamped()
        message.header.frame_id = self._goals.frame
        message.header.stamp = time_message(said_ns) if said_ns else self._shell.node.get_clock().now().to_msg()
        place, turn, values = message.pose.position, message.pose.orientation, self._goals.values(goal)
        place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w = values.tolist()
        self._publisher.publish(message)

    def figures(self, goal: Array) -> dict[str, object]:
        """``goal`` (ng,) by the names of its numbers."""
        return {f"goal {name}": value for name, value in zip(self._names, goal.tolist(), strict=False)}

    def _on_pose(self, message: PoseStamped, info: Any) -> None:
        stamp, place, turn = message.header.stamp, message.pose.position, message.pose.orientation
        pose = goals.Pose(
            frame=message.header.frame_id,
            values=np.array([place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w]),
            stamp_ns=stamp.sec * NS_PER_S + stamp.nanosec,
            sent_ns=info["source_timestamp"] or info["received_timestamp"],
            received_ns=info["received_timestamp"],
        )
        try:
            goal = self._goals.read(pose)
        except InvalidSignal as error:
            self._shell.counts[f"goal_pose: {error.reason}"] += 1
            self._shell.say("warn", f"goal_pose refused: {error}", key=f"goal_pose{error.reason}")
            return
        if goal is None:
            return
        if self._relay and (self._told is None or not np.array_equal(goal, self._told)):
            self.publish(goal, pose.said_ns)
        self._take(goal)
