"""Sampling-based predictive control whose candidates include samples of the flow policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gpc_ros.control.base import Planner
from gpc_ros.control.policy import Policy
from gpc_ros.control.spc import Spc
from gpc_ros.signals import Array, Estimate, Plan
from gpc_ros.tasks.base import Task


class SeededSpc(Planner):
    """``spc``, seeded by ``policy``: each of the policy's samples is one more candidate of every replan."""

    def __init__(self, spc: Spc, policy: Policy) -> None:
        self._spc = spc
        self._policy = policy

    @classmethod
    def make(cls, task: Task, parameters: Mapping[str, Any]) -> SeededSpc:
        """With the parameters of the nodes ``spc`` and ``policy_server``."""
        return cls(Spc.make(task, parameters), Policy.make(task, parameters))

    def set_goal(self, goal: Array) -> None:
        """Tell both."""
        self._spc.set_goal(goal)
        self._policy.set_goal(goal)

    def plan(
        self,
        estimate: Estimate,
        previous: Plan | None = None,
        seeds: Array | None = None,
        *,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> Plan | None:
        """Plan from ``estimate`` onwards, as ``Planner.plan`` says, with the policy's samples for ``seeds``."""
        seeds = self._spc.seeds(self._policy.samples(estimate, previous), estimate.stamp_ns)
        plan = self._spc.plan(estimate, previous, seeds, out_of_time=out_of_time)
        return plan and replace(plan, planner="seeded_spc")

    def close(self) -> None:
        """As ``spc`` does."""
        self._spc.close()
