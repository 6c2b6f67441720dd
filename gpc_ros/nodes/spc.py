"""Node ``spc``: sampling-based predictive control in a thread of its own, at its own rate, alone or seeded."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

from gpc_ros.control import spc
from gpc_ros.control.executive import plan_due
from gpc_ros.control.lead import Lead
from gpc_ros.nodes.candidates import CandidatesPublisher
from gpc_ros.nodes.drive import Drive
from gpc_ros.nodes.planner_thread import PlannerThread
from gpc_ros.nodes.planning import PlanningShell
from gpc_ros.nodes.running import run
from gpc_ros.nodes.seeds import Seeds
from gpc_ros.signals import Array, Estimate, Plan
from gpc_ros.spec import plan_topic
from gpc_ros.statistics import Histogram

_SEEDED = "seeded_spc"


class Spc(PlanningShell):
    """Plans from the newest estimate while the controller wants plans of it, for ``seeded_spc`` with samples."""

    name = "spc"
    serves = ("spc", _SEEDED)

    def __init__(self, loop: Any, context: Any) -> None:
        super().__init__(loop, context)
        self.planner = spc.Spc(self.task, self.value)
        self.time_used = Histogram()
        self.seeds = Seeds(self)
        self._lead = Lead(self.task, self.value.period_ns)
        self._usual_ns = 0  # mean time of a replan, over some ten of them
        self.plan: Plan | None = None
        self._held: Estimate | None = None
        self._planning = threading.Lock()
        self._thread = PlannerThread(self, self._plan_all)
        self._drive = Drive(self)
        self.parameters.on_change(self._configure, check=lambda parameters: spc.Spc(self.task, parameters))
        self.on_data("policy/samples", self._on_samples)
        self.on_data("state_estimate", self._on_estimate)
        CandidatesPublisher(self, self._answers["spc/candidates"])

    def warm_up(self) -> None:
        """Plan once from the named start."""
        start = self.task.start(self.task.named_start)
        if (plan := self.planner.plan(Estimate(1, start.qpos, start.qvel))) is not None:
            self.codec.encode_plan(plan)

    def start(self) -> None:
        """Begin planning; in lock-step plans are made in the loop."""
        if not self.value.lockstep:
            self._thread.start()

    def _configure(self, parameters: Any) -> None:
        with self._planning:
            self.planner.configure(parameters)

    def set_goal(self, goal: Array) -> None:
        """Take the task's goal (ng,)."""
        with self._planning:
            self.planner.set_goal(goal)

    def _on_samples(self, data: bytes, info: Any) -> None:
        self.seeds.take(self.codec.decode_samples(data))
        if (held := self._held) is not None and self.seeds.answer(held):
            self._held = None
            self._plan(_SEEDED, held)

    def _on_estimate(self, data: bytes, info: Any) -> None:
        if not self.value.lockstep:
            self._thread.put(data)
            return
        estimate = self.codec.decode_estimate(data)
        if not plan_due(estimate.stamp_ns, self.value.plan_rate_hz, self.value.period_ns):
            return
        for planner in self.asked:
            if planner == _SEEDED and not self.seeds.answer(estimate):
                self._held = estimate  # its samples are still on their way
            else:
                self._plan(planner, estimate)

    def _plan_all(self, data: bytes, info: Any) -> None:
        estimate = self.codec.decode_estimate(data)
        for planner in self.asked:
            self._plan(planner, estimate)

    def _plan(self, planner: str, estimate: Estimate) -> None:
        if self.answered(plan_topic(planner), estimate):
            return
        begin_ns = time.monotonic_ns()
        previous = self.previous(planner, estimate)
        start = self._ahead(estimate, previous)
        with self._planning:
            seeds = self.seeds.of(self.planner, estimate, start.stamp_ns) if planner == _SEEDED else None
            plan = self.planner.plan(start, previous, seeds)
        used_ns = time.monotonic_ns() - begin_ns
        self._usual_ns += (used_ns - self._usual_ns) // 10
        self.time_used.add(used_ns)
        if plan is None:
            self.counts["no finite plan"] += 1
        else:
            plan = replace(plan, stamp_ns=estimate.stamp_ns, planner=planner)
        self.plan = self.answer_with_plan(planner, estimate, plan)

    def _ahead(self, estimate: Estimate, previous: Plan | None) -> Estimate:
        """Where the robot will be when the plan is ready: until then it follows whoever drives it."""
        if self.value.lockstep or not self.value.lead:
            return estimate
        if driver := self._drive.driver:
            previous = self.driving(driver, self._drive.command(), estimate)
        return self._lead.ahead(estimate, previous, self._usual_ns)

    def close(self) -> None:
        """End the planner's thread, and write what was recorded."""
        self._thread.close()
        self.planner.close()

    def figures(self) -> dict[str, object]:
        """Time per replan, and while it plans what the planner says of its last plan."""
        used = {f"replan_ms {key}": value for key, value in self.time_used.summary().items()}
        figures = {"state": "idle: not wanted", "replans": self.time_used.count, **used}
        if asked := self.asked:
            info = self.plan.info if self.plan else {}
            figures |= {"state": f"plans {', '.join(asked)}", "seeds": self.seeds.used, **info}
        return figures

    def summary(self) -> dict[str, object]:
        """Replans and time used."""
        return {"replans": self.time_used.count, "replan_ms": self.time_used.summary()}


def main() -> int:
    """Entry point."""
    return run([Spc])


if __name__ == "__main__":
    raise SystemExit(main())
