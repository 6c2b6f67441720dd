"""A task's goal as a pose, as it travels on ``goal_pose``: what numbers it is made of, and which of several holds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gpc_ros.errors import InvalidSignal
from gpc_ros.signals import NS_PER_S, Array
from gpc_ros.tasks.base import Task

WORLD = "world"
"""The frame of goals that are places."""

_OF_A_POSE = ("x", "y", "z", "yaw")
_REPEATED_NS = NS_PER_S  # within it, a stamp says when what is sent was said first
_MAX_SHOWN = 40  # characters of a frame from the wire that a refusal quotes


@dataclass(frozen=True, slots=True)
class Pose:
    """What was said on ``goal_pose``: ``values`` (7,) are x y z [m] and a quaternion x y z w, in ``frame``.

    ``stamp_ns`` is its stamp, 0 without one; ``sent_ns`` and ``received_ns`` are the middleware's times [ns].
    """

    frame: str
    values: Array
    stamp_ns: int
    sent_ns: int
    received_ns: int

    @property
    def said_ns(self) -> int:
        """When it was said first [ns]: a repetition keeps its stamp.

        A stamp of another clock, as simulated time, and none at all, give way to the time of sending; a sender whose
        clock is ahead said it when it came.
        """
        repeated = 0 <= self.sent_ns - self.stamp_ns < _REPEATED_NS
        return min(self.stamp_ns if repeated else self.sent_ns, self.received_ns)


class Goals:
    """The goal of ``task`` as poses tell it; ``goal`` (ng,) is the one that holds.

    The numbers of a goal are those of the pose that ``Task.goal_names`` gives. What no pose holds, as a speed,
    travels in the place of x, y and z, with its names in the place of the frame: a place that somebody clicks on is
    no speed. An empty frame fits any goal.

    A pose in the frame ``world`` whose height is exactly 0 comes from a tool that knows the plane alone, as RViz's 2D
    goal tool: a goal that has a height keeps its own. (A goal on the ground is written with the height -0.0.)

    Of several that were said, the one said last holds, in whatever order they come: who joins late hears what
    each writer said last.
    """

    def __init__(self, task: Task) -> None:
        names = task.goal_names[: len(task.goal)]
        is_place = set(names) <= set(_OF_A_POSE)
        self.fields = names if is_place else _OF_A_POSE[: len(names)]
        self.frame = WORLD if is_place else " ".join(names)
        self.goal: Array = np.array(task.goal, dtype=float)
        self._said_ns = 0

    def read(self, pose: Pose) -> Array | None:
        """The goal (ng,) that ``pose`` sets; None if it repeats what is known, or a later one has come.

        Raises:
            InvalidSignal: for another frame, or numbers that are not finite.
        """
        if pose.frame not in ("", self.frame):
            shown = repr(pose.frame[:_MAX_SHOWN])
            raise InvalidSignal("frame", f"frame {shown} is not that of this goal. Valid: '{self.frame}', or none")
        x, y, z = pose.values[:3].tolist()
        values = {"x": x, "y": y, "z": z + 0.0, "yaw": _yaw(*pose.values[3:].tolist())}
        if pose.frame == WORLD and "z" in self.fields and z == 0.0 and not np.signbit(z):
            values["z"] = self.goal[self.fields.index("z")]
        goal = np.array([values[field] for field in self.fields])
        if not np.isfinite(goal).all():
            raise InvalidSignal("nonfinite", "goal is not finite")
        if pose.said_ns <= self._said_ns:
            return None
        self._said_ns, self.goal = pose.said_ns, goal
        return goal

    def values(self, goal: Array) -> Array:
        """``goal`` (ng,) as the values (7,) of a pose."""
        numbers = dict(zip(self.fields, goal.tolist(), strict=True))
        half = numbers.get("yaw", 0.0) / 2.0
        place = [numbers.get(axis, 0.0) for axis in ("x", "y")]
        height = numbers.get("z", 0.0) or -0.0
        return np.array([*place, height, 0.0, 0.0, math.sin(half), math.cos(half)])


def _yaw(x: float, y: float, z: float, w: float) -> float:
    """Turn about z [rad] of a quaternion of whatever length; nan if that is not finite."""
    if not math.isfinite(x + y + z + w):
        return math.nan
    return math.atan2(2.0 * (w * z + x * y), w * w + x * x - y * y - z * z)
