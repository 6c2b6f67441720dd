"""Node ``spc``: sampling-based predictive control in a thread of its own, at its own rate."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

from std_msgs.msg import String

from gpc_ros.clock import Deadline
from gpc_ros.control import spc
from gpc_ros.control.base import no_plan
from gpc_ros.control.executive import plan_divisor
from gpc_ros.control.lead import Lead
from gpc_ros.nodes import goals, realtime
from gpc_ros.nodes.running import run
from gpc_ros.nodes.shell import Shell
from gpc_ros.signals import NS_PER_S, Array, Estimate, Plan
from gpc_ros.spec import plan_topic
from gpc_ros.statistics import Histogram


class Spc(Shell):
    """Plans from the newest estimate while the controller wants plans of it."""

    name = "spc"

    def __init__(self, loop: Any, context: Any) -> None:
        super().__init__(loop, context)
        self.planner = spc.Spc(self.task, self.value)
        self.time_used = Histogram()
        self._lead = Lead(self.task, self.value.period_ns)
        self._usual_ns = 0  # mean time of a replan, over some ten of them
        self.plan: Plan | None = None
        self._wanted = True
        self._has_goal = not self.task.goal or not self.value.lockstep  # in lock-step not a tick without the right one
        self._latest: bytes | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._publisher = self.publisher(plan_topic(self.name))
        self.parameters.on_change(self._configure, check=lambda parameters: spc.Spc(self.task, parameters))
        self.on_event("controller/wanted", self._on_wanted)
        self._goals = goals.Goals(self, self._on_goal) if self.task.goal else None
        self.on_data("state_estimate", self._on_estimate)
        self._thread = threading.Thread(target=self._work, name="planner", daemon=True)

    def warm_up(self) -> None:
        """Plan once from the named start."""
        start = self.task.start(self.task.named_start)
        plan = self.planner.plan(Estimate(1, start.qpos, start.qvel))
        if plan is not None:
            self.codec.encode_plan(plan)

    def start(self) -> None:
        """Begin planning; in lock-step plans are made in the loop."""
        if not self.value.lockstep:
            self._thread.start()

    def _configure(self, parameters: Any) -> None:
        with self._lock:
            self.planner.configure(parameters)

    def _on_wanted(self, message: String) -> None:
        self._wanted = self.name in message.data.split(",")

    def _on_goal(self, goal: Array) -> None:
        with self._lock:
            self.planner.set_goal(goal)
        self._has_goal = True

    def _on_estimate(self, data: bytes, info: Any) -> None:
        if not self.value.lockstep:
            self._latest = data  # decoded by the planner, when it gets to it
            return
        estimate = self.codec.decode_estimate(data)
        period_ns = self.value.period_ns
        due = estimate.stamp_ns // period_ns % plan_divisor(self.value.plan_rate_hz, period_ns) == 0
        if due and self._wanted and self._has_goal:
            self._plan(estimate)

    def _work(self) -> None:
        """Real time: the newest estimate at each deadline; a late plan skips deadlines, it does not queue them."""
        realtime.set_up_planner(self.value.realtime, self.node.get_logger().info)
        plan = self.refusing("state_estimate", lambda data, info: self._plan(self.codec.decode_estimate(data)))
        deadline = Deadline(round(NS_PER_S / self.value.plan_rate_hz))
        while not self._closing.is_set():
            deadline.wait()
            deadline.period_ns = round(NS_PER_S / self.value.plan_rate_hz)
            data, self._latest = self._latest, None
            if data is None or not self._wanted or not self._has_goal:
                continue
            self.loop.guard(plan, data, None)

    def _plan(self, estimate: Estimate) -> None:
        previous = self.plan
        if previous is not None and (previous.stamp_ns, previous.epoch) == (estimate.stamp_ns, estimate.epoch):
            self._publisher.publish(self.codec.encode_plan(previous))  # asked again: the same answer
            return
        begin_ns = time.monotonic_ns()
        lead_ns = 0 if self.value.lockstep or not self.value.lead else self._usual_ns
        with self._lock:
            plan = self.planner.plan(self._lead.ahead(estimate, previous, lead_ns), previous)
        used_ns = time.monotonic_ns() - begin_ns
        self._usual_ns += (used_ns - self._usual_ns) // 10
        self.time_used.add(used_ns)
        if plan is None:
            self.counts["no finite plan"] += 1
            plan = no_plan(estimate, self.task.model.nu, self.name)
        self.plan = plan = replace(plan, stamp_ns=estimate.stamp_ns)
        self._publisher.publish(self.codec.encode_plan(plan))

    def close(self) -> None:
        """End the planner's thread."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(0.5)

    def figures(self) -> dict[str, object]:
        """Rate, time per replan, and what the planner says of its last plan."""
        used = {f"replan_ms {key}": value for key, value in self.time_used.summary().items()}
        info = dict(self.plan.info) if self.plan else {}
        state = "planning" if self._wanted else "idle: not wanted"
        return {"state": state, "replans": self.time_used.count, **used, **info}

    def summary(self) -> dict[str, object]:
        """Replans and time used."""
        return {"replans": self.time_used.count, "replan_ms": self.time_used.summary()}


def main() -> int:
    """Entry point."""
    return run([Spc])


if __name__ == "__main__":
    raise SystemExit(main())
