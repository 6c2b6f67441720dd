"""Node ``policy_server``: the flow policy, asked in the loop itself, since it answers in a fraction of a period."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from gpc_ros.control.executive import Pace, plan_due
from gpc_ros.control.policy import Policy
from gpc_ros.errors import InvalidModel
from gpc_ros.nodes.planning import PlanningShell
from gpc_ros.nodes.running import run
from gpc_ros.signals import Array, Estimate, Plan, Samples
from gpc_ros.statistics import Histogram


class PolicyServer(PlanningShell):
    """Each estimate is answered with a plan while ``policy`` is wanted, with samples while ``seeded_spc`` is."""

    name = "policy_server"
    serves = ("policy", "seeded_spc")

    def __init__(self, loop: Any, context: Any) -> None:
        super().__init__(loop, context)
        self.time_used = Histogram()
        self.samples_time = Histogram()
        self._paces = {planner: Pace() for planner in self.serves}
        self.policy = self._next = self._first()
        self.parameters.on_change(self._swap, check=self._prepare)
        self.on_data("state_estimate", self._on_estimate)

    def _first(self) -> Policy | None:
        """The policy to begin with; a robot that has none, or a bad one, can do with other planners."""
        try:
            return self._made(self.value)
        except InvalidModel as error:
            if self.value.model_file:
                raise
            self.say("info", f"idle: {error}")
            return None

    def _made(self, parameters: Any) -> Policy:
        policy = Policy(self.task, parameters)
        policy.warm_up()
        return policy

    def _prepare(self, parameters: Any) -> None:
        """In the thread of the parameters, while the loop goes on: load and try out, or refuse with the reason."""
        if self.policy is not None:
            self._next = self.policy.renewed(parameters)
        elif parameters.model_file:
            self._next = self._made(parameters)
            if self.goal is not None:
                self._next.set_goal(self.goal)

    def _swap(self, parameters: Any) -> None:
        """From the next tick on; the new policy goes on from the plan in force."""
        self.policy = self._next

    def set_goal(self, goal: Array) -> None:
        """Take the task's goal (ng,)."""
        if self.policy is not None:
            self.policy.set_goal(goal)

    def _on_estimate(self, data: bytes, info: Any) -> None:
        if not (asked := self.asked):
            return
        estimate, p = self.codec.decode_estimate(data), self.value
        if "policy" in asked and self._due("policy", estimate.stamp_ns, p.policy_rate_hz):
            self._plan(estimate)
        if "seeded_spc" in asked and self._due("seeded_spc", estimate.stamp_ns, p.plan_rate_hz):
            self._sample(estimate)

    def _due(self, planner: str, stamp_ns: int, rate_hz: float) -> bool:
        p = self.value
        return (plan_due if p.lockstep else self._paces[planner].due)(stamp_ns, rate_hz, p.period_ns)

    def _plan(self, estimate: Estimate) -> None:
        if self.answered("policy/plan", estimate):
            return
        plan: Plan | None = None
        if (policy := self.policy) is not None:
            previous = self.previous("policy", estimate)
            begin_ns = time.monotonic_ns()
            plan = policy.plan(estimate, previous)
            self.time_used.add(time.monotonic_ns() - begin_ns)
            if plan is None:
                self.counts["no finite plan"] += 1
                self.say("warn", "plan dropped: it is not finite", key="nonfinite")
        self.answer_with_plan("policy", estimate, plan)

    def _sample(self, estimate: Estimate) -> None:
        """Samples for seeding; an empty set says at once that there are none to wait for."""
        if self.answered("policy/samples", estimate):
            return
        samples = Samples(estimate.stamp_ns, 1, np.empty((0, 1, self.task.model.nu)), epoch=estimate.epoch)
        if (policy := self.policy) is not None:
            previous = self.previous("seeded_spc", estimate)
            begin_ns = time.monotonic_ns()
            samples = policy.samples(estimate, previous)
            self.samples_time.add(time.monotonic_ns() - begin_ns)
            if lost := policy.parameters.seed_samples - len(samples.knots):
                self.counts["samples not finite"] += lost
        self.answer("policy/samples", estimate, self.codec.encode_samples(samples))

    def trouble(self) -> str:
        """Asked for what it does not have."""
        return "asked for plans, but has no policy" if self.asked and self.policy is None else ""

    def figures(self) -> dict[str, object]:
        """Which policy, where it runs, how long a plan takes."""
        policy = self.policy
        if policy is None:
            return {"state": "no policy"}
        times = {"inference_ms": self.time_used, "samples_ms": self.samples_time}
        used = {f"{name} {key}": value for name, found in times.items() for key, value in found.summary().items()}
        return {
            "state": f"answers {', '.join(self.asked)}" if self.asked else "idle: not wanted",
            "provider": policy.model.provider,
            "model": str(policy.file),
            "sha256": policy.model.metadata.sha256,
            "warm_start": policy.parameters.warm_start,
            "plans": self.time_used.count,
            **used,
        }

    def summary(self) -> dict[str, object]:
        """Plans, time used, and by whom."""
        provider = self.policy.model.provider if self.policy else ""
        return {"plans": self.time_used.count, "inference_ms": self.time_used.summary(), "provider": provider}


def main() -> int:
    """Entry point."""
    return run([PolicyServer])


if __name__ == "__main__":
    raise SystemExit(main())
