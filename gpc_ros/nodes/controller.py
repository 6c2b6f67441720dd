"""Node ``controller``: the executive. It alone publishes ``command``."""

from __future__ import annotations

import time
from typing import Any

from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import SetBool

from gpc_ros import spec
from gpc_ros.control.executive import Executive, check_planner
from gpc_ros.errors import GpcError
from gpc_ros.nodes.shell import Shell, run
from gpc_ros.signals import Command, Estimate
from gpc_ros.statistics import Histogram

_WARM_UP_TICKS = 50


class Controller(Shell):
    """A command for each estimate; in its silence commands go on at the loop's rate, down the ladder of fallbacks."""

    name = "controller"

    def __init__(self, loop: Any, context: Any) -> None:
        super().__init__(loop, context)
        p = self.value
        self.executive = Executive(self.task, p, period_ns=p.period_ns)
        self.time_used = Histogram()
        self._sent: Command | None = None
        self._sent_ns = 0
        self._command = self.publisher("command")
        array = p.command_array_topic
        self._array = self.node.create_publisher(Float64MultiArray, array, 1) if array else None
        self._active = self.publisher("controller/active")
        self._wanted = self.publisher("controller/wanted")
        self._told: dict[str, str] = {}
        self.parameters.on_change(self._configure, check=self._check)
        for topic in (t for t in spec.NODES[self.name].inputs if t.endswith("/plan")):
            self.on_data(topic, lambda data, info, planner=topic.removesuffix("/plan"): self._on_plan(data, planner))
        self.on_data("state_estimate", self._on_estimate)
        if not p.lockstep:
            loop.every(p.period_ns, self._watch)
        self.node.create_service(SetBool, "controller/stop", self._on_stop)
        self.node.create_timer(0.05, self._tell)

    def warm_up(self) -> None:
        """An executive of its own selects a few commands."""
        p, start = self.value, self.task.start(self.task.named_start)
        executive = Executive(self.task, p, period_ns=p.period_ns)
        for tick in range(1, _WARM_UP_TICKS):
            estimate = Estimate(tick * p.period_ns, start.qpos, start.qvel)
            executive.accept_estimate(self.codec.decode_estimate(self.codec.encode_estimate(estimate)), tick)
            command = executive.select(tick)
            self.codec.decode_command(self.codec.encode_command(command))

    def _now(self) -> int:
        """The executive's ``now``: steady time, in lock-step the stamp itself."""
        if not self.value.lockstep:
            return time.monotonic_ns()
        return self.executive.stamp_ns

    def _on_estimate(self, data: bytes, info: Any) -> None:
        estimate = self.codec.decode_estimate(data)
        sent = self._sent
        if sent is not None and (sent.stamp_ns, sent.epoch) == (estimate.stamp_ns, estimate.epoch):
            self._publish(sent)  # asked again: the same answer
            return
        now_ns = estimate.stamp_ns if self.value.lockstep else time.monotonic_ns()
        if self.executive.accept_estimate(estimate, now_ns):
            self._act()

    def _on_plan(self, data: bytes, planner: str) -> None:
        held_up = self.value.lockstep and self.executive.waiting()
        if self.executive.accept_plan(self.codec.decode_plan(data, planner)) and held_up:
            self._act()

    def _act(self) -> None:
        if self.value.lockstep and self.executive.waiting():
            return
        begin_ns = time.monotonic_ns()
        self._publish(self.executive.select(self._now()))
        self.time_used.add(time.monotonic_ns() - begin_ns)

    def _publish(self, command: Command) -> None:
        if command.stamp_ns <= 0:
            return  # nothing to answer yet
        self._sent, self._sent_ns = command, time.monotonic_ns()
        self._command.publish(self.codec.encode_command(command))
        if self._array is not None:
            self._array.publish(Float64MultiArray(data=command.ctrl.tolist()))

    def _watch(self, lateness_ns: int) -> None:
        """Estimates that do not come must not leave the robot with its last command."""
        if self._sent is not None and time.monotonic_ns() - self._sent_ns > 1.5 * self.value.period_ns:
            self._publish(self.executive.select(time.monotonic_ns()))

    def _check(self, parameters: Any) -> None:
        """Refuse a set of parameters; a new planner is asked for a plan first, and this waits for it."""
        for name, what in ((parameters.planner, "planner"), (parameters.fallback, "fallback")):
            if name:
                check_planner(name, what)
        if parameters.planner != self.executive.active:
            self._switch(parameters.planner)

    def _switch(self, planner: str) -> None:
        self.loop.post(lambda: self.executive.request(planner, self._now()))
        end = time.monotonic() + self.value.switch_timeout_s + 0.5
        while time.monotonic() < end:
            time.sleep(0.005)
            self._tell()
            if self.executive.active == planner:
                return
            if self.executive.refusal:
                raise GpcError(self.executive.refusal)
        self.loop.post(self.executive.cancel_request)
        raise GpcError(f"no estimate to switch on; '{self.executive.active}' stays")

    def _configure(self, parameters: Any) -> None:
        self.loop.post(lambda: self.executive.configure(parameters))

    def _on_stop(self, request: Any, response: Any) -> Any:
        self.executive.stopped = request.data
        response.success, response.message = True, "stopped" if request.data else "running"
        return response

    def _tell(self) -> None:
        """Latched topics and the log, outside the loop: who drives, who shall plan, what changed."""
        executive = self.executive
        for publisher, key, text in (
            (self._active, "active", executive.driver or "none"),
            (self._wanted, "wanted", ",".join(executive.wanted)),
        ):
            if self._told.get(key) != text:
                self._told[key] = text
                publisher.publish(String(data=text))
        while executive.events:
            event = executive.events.popleft()
            why = f" ({event.reason})" if event.reason else ""
            level = "warn" if event.reason else "info"
            self.say(level, f"{event.after} drives{why}", key=f"{event.before}{event.after}")

    def close(self) -> None:
        """The last command is the safe one."""
        self.executive.stopped = True
        if self._sent is not None:
            self._publish(self.executive.select(self._now()))

    def figures(self) -> dict[str, object]:
        """Who drives and why, time used, counters."""
        executive = self.executive
        reason = self._sent.reason if self._sent else "no estimate yet"
        used = {f"select_ms {key}": value for key, value in self.time_used.summary().items()}
        return {"active": executive.active, "driver": executive.driver, "reason": reason, **used,
                "executive": executive.counts.text()}

    def summary(self) -> dict[str, object]:
        """Fallbacks and refusals."""
        counts = self.executive.counts
        return {"fallbacks": counts["fallbacks"], "driver": self.executive.driver, "executive": dict(counts)}


def main() -> int:
    """Entry point."""
    return run([Controller])


if __name__ == "__main__":
    raise SystemExit(main())
