"""What a planner is: one verb, from an estimate to a plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gpc_ros.errors import GpcError
from gpc_ros.signals import Array, Estimate, Plan
from gpc_ros.tasks.base import Task


def no_plan(estimate: Estimate, nu: int, planner: str) -> Plan:
    """The plan that says nothing, for when there is no finite one: so others know of it at once."""
    stamp_ns = estimate.stamp_ns
    return Plan(stamp_ns, stamp_ns, 1, np.empty((0, nu)), planner=planner, epoch=estimate.epoch)


class Planner(ABC):
    """Makes a plan from an estimate. A file here that defines one subclass is a valid ``planner``.

    To be driven by it on ROS 2, a node must publish its plans on ``<planner>/plan`` (``spec.py``).

    A planner keeps nothing between calls that a plan depends on: its random stream is made from
    its seed and the tick (or stamp), its warm start is the previous plan. So a lost tick never shifts the
    stream, and the same inputs give the same plan.
    """

    @classmethod
    def make(cls, task: Task, parameters: Mapping[str, Any]) -> Planner:
        """One for ``task`` with a stack's ``parameters`` by node, for the closed loop without ROS.

        Raises:
            GpcError: if this planner runs on ROS alone, or what it needs is not there.
        """
        raise GpcError(f"planner '{cls.__module__.rsplit('.', 1)[-1]}' has no way to run without ROS")

    @abstractmethod
    def plan(
        self,
        estimate: Estimate,
        previous: Plan | None = None,
        seeds: Array | None = None,
        *,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> Plan | None:
        """Plan from ``estimate`` onwards.

        Args:
            estimate: the state to start from.
            previous: the plan in force, for the warm start; None after a reset.
            seeds: (S, K, nu) [actuator units] further candidates, as from a policy.
            out_of_time: asked between steps; once true, the best plan so far is returned (anytime).

        Returns:
            The plan, or None when there is no finite one.
        """

    def set_goal(self, goal: Array) -> None:
        """Take the task's goal (ng,), in the units of ``Task.goal``; planners without one ignore it."""

    def close(self) -> None:
        """Write what is to be kept, at the end of a run."""
