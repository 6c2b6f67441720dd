"""Node ``controller``: the executive. It alone publishes ``command``."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from std_msgs.msg import Float64MultiArray

from gpc_ros import spec
from gpc_ros.control.executive import STOP, Executive
from gpc_ros.nodes import cdr
from gpc_ros.nodes.announcer import Announcer
from gpc_ros.nodes.running import run
from gpc_ros.nodes.shell import Shell
from gpc_ros.nodes.switch import Switch
from gpc_ros.signals import Command, Estimate
from gpc_ros.statistics import Histogram

_WARM_UP_TICKS = 50
_FAREWELLS, _FAREWELL_S = 10, 0.005


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
        self._fallbacks = 0
        self._command = self.publisher("command")
        array = p.command_array_topic
        self._array = self.node.create_publisher(Float64MultiArray, array, 1) if array else None
        self._announcer = Announcer(self, self.executive)
        self._switch = Switch(self, self.executive, self.now, self._announcer.tell)
        self.parameters.on_change(self._configure, check=self._switch.check)
        for topic in (t for t in spec.NODES[self.name].inputs if t.endswith("/plan")):
            self.on_data(topic, partial(self._on_plan, topic.removesuffix("/plan")))
        self.on_data("state_estimate", self._on_estimate)
        if not p.lockstep:
            loop.every(p.period_ns, self._watch)
        self.on_data("controller/stop", self._on_stop)
        self.node.create_timer(0.05, self._announcer.tell)

    def warm_up(self) -> None:
        """An executive of its own selects a few commands."""
        p, start = self.value, self.task.start(self.task.named_start)
        executive = Executive(self.task, p, period_ns=p.period_ns)
        for tick in range(1, _WARM_UP_TICKS):
            estimate = Estimate(tick * p.period_ns, start.qpos, start.qvel)
            executive.accept_estimate(self.codec.decode_estimate(self.codec.encode_estimate(estimate)), tick)
            command = executive.select(tick)
            self.codec.decode_command(self.codec.encode_command(command))

    def now(self) -> int:
        """The executive's ``now``: steady time, in lock-step the stamp itself."""
        if not self.value.lockstep:
            return time.monotonic_ns()
        return self.executive.stamp_ns

    def _on_estimate(self, data: bytes, info: Any) -> None:
        estimate = self.codec.decode_estimate(data)
        if self.executive.answered(estimate):
            if self._sent is not None:
                self._publish(self._sent)  # asked again: the same answer
            return
        now_ns = estimate.stamp_ns if self.value.lockstep else time.monotonic_ns()
        if self.executive.accept_estimate(estimate, now_ns):
            self._act()

    def _on_plan(self, planner: str, data: bytes, info: Any) -> None:
        held_up = self.value.lockstep and self.executive.waiting()
        if self.executive.accept_plan(self.codec.decode_plan(data, planner)) and held_up:
            self._act()

    def _act(self) -> None:
        if self.value.lockstep and self.executive.waiting():
            return
        begin_ns = time.monotonic_ns()
        self._publish(self.executive.select(self.now()))
        self.time_used.add(time.monotonic_ns() - begin_ns)

    def _publish(self, command: Command) -> None:
        if command.stamp_ns <= 0:
            return  # nothing to answer yet
        self._sent, self._sent_ns = command, time.monotonic_ns()
        self._command.publish(self.codec.encode_command(command))
        if self._array is not None:
            self._array.publish(Float64MultiArray(data=command.ctrl.tolist()))

    def _watch(self, lateness_ns: int) -> None:
        """Estimates that do not come must not leave the robot to its last command: what has no servo gets zero."""
        if self._sent is not None and time.monotonic_ns() - self._sent_ns > 1.5 * self.value.period_ns:
            self._publish(self.executive.select(time.monotonic_ns()))

    def _configure(self, parameters: Any) -> None:
        self.loop.post(lambda: self.executive.configure(parameters))

    def _on_stop(self, data: bytes, info: Any) -> None:
        """In the loop, ahead of everything else: the next command is the safe one."""
        self.executive.stopped = cdr.decode_bool(data)
        if self._sent is not None:
            self._publish(self.executive.select(self.now()))

    def close(self) -> None:
        """The last command is the safe one, said several times: commands are not sent again when one is lost."""
        silenced = self.executive.driver == STOP and not self.executive.stopped
        self._fallbacks = max(0, self.executive.counts["fallbacks"] - silenced)
        self.executive.stopped = True
        for _ in range(_FAREWELLS if self._sent is not None else 0):
            self._publish(self.executive.select(self.now()))
            time.sleep(_FAREWELL_S)

    def trouble(self) -> str:
        """Why the active planner does not drive."""
        return self._sent.reason if self._sent else ""

    def figures(self) -> dict[str, object]:
        """Who drives and why, time used, counters."""
        executive = self.executive
        reason = self._sent.reason if self._sent else "no estimate yet"
        used = {f"select_ms {key}": value for key, value in self.time_used.summary().items()}
        return {
            "active": executive.active,
            "driver": executive.driver,
            "reason": reason,
            **used,
            "executive": executive.counts.text(),
        }

    def summary(self) -> dict[str, object]:
        """Fallbacks (a silence that lasted to the end is the end, not one of them) and refusals."""
        executive = self.executive
        return {"fallbacks": self._fallbacks, "driver": executive.driver, "executive": dict(executive.counts)}


def main() -> int:
    """Entry point."""
    return run([Controller])


if __name__ == "__main__":
    raise SystemExit(main())
