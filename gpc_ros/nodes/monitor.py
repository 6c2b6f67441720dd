"""Node ``monitor``: how the stack is, in /diagnostics once a second, and what it does, for RViz.

It is not woken by the messages of the loop: it looks at them now and then, and goes by when they were sent.
"""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from std_msgs.msg import String

from gpc_ros import spec
from gpc_ros.monitoring.budget import Budget
from gpc_ros.monitoring.pipeline import Pipeline
from gpc_ros.monitoring.reports import Reports
from gpc_ros.nodes.cdr import stamp_of
from gpc_ros.nodes.latest import Latest
from gpc_ros.nodes.markers import MarkerPublisher
from gpc_ros.nodes.running import run
from gpc_ros.nodes.shell import Shell
from gpc_ros.nodes.transforms import TransformPublisher
from gpc_ros.signals import NS_PER_S
from gpc_ros.viz.urdf import urdf

_LOOK_NS = 50_000_000
_DEPTH = 250  # messages that wait to be looked at: half a second at 500 Hz
_SHARE = 0.05  # of a core, for looking at messages
_OWN_PERCENT = 10.0  # of a core: more than to watch may cost; to draw may cost its share more
# Answers before what they answer: whatever an answer goes back to is there, too, when it is looked for.
_WATCHED = ("command", "policy/plan", "spc/plan", "seeded_spc/plan", "state_estimate", "joint_states")


class Monitor(Shell):
    """Watches the stack: decodes of a message no more than its stamp, unless somebody wants to see the robot."""

    name = "monitor"

    def __init__(self, loop: Any, context: Any) -> None:
        super().__init__(loop, context)
        p, now_ns = self.value, time.monotonic_ns()
        self.pipeline = Pipeline(_WATCHED, rate_hz=p.rate_hz, lockstep=p.lockstep, window_s=p.window_s, begin_ns=now_ns)
        self.reports = Reports(p.window_s)
        own = self.node.get_namespace()
        self._others = {spec.status_name(node, own): node for node in spec.NODES if node != self.name}
        self.latest: dict[str, bytes] = {}
        self._watched = Latest(self.node, dict.fromkeys(_WATCHED, _DEPTH))
        self._watched.open()
        self._heard = {topic: self.refusing(topic, partial(self._hear, topic)) for topic in _WATCHED}
        self._found: tuple[dict[str, object], list[str]] = {}, ["no message yet"]
        self._used = deque([(now_ns, time.process_time_ns())], maxlen=p.window_s + 1)
        self._markers = MarkerPublisher(self)
        self._transforms = TransformPublisher(self)
        self._description = self.publisher("robot_description")
        self.on_event("controller/active", self._on_active)
        self.on_event("/diagnostics", self._on_diagnostics)
        budget = Budget(_SHARE)
        loop.every(_LOOK_NS, lambda lateness_ns: budget.run(self.look))
        loop.every(NS_PER_S, self._sum_up)

    def start(self) -> None:
        """Tell the robot's form."""
        self._description.publish(String(data=urdf(self.task.model, self.task.name)))

    def look(self) -> None:
        """Take in what has come."""
        for topic, hear in self._heard.items():
            for data, info in self._watched.take(topic):
                hear(data, info)
        self.pipeline.journey.settle()

    def _hear(self, topic: str, data: bytes, info: Any) -> None:
        stamp_ns = stamp_of(data)
        self.latest[topic] = data
        sent_ns = info["source_timestamp"] or info["received_timestamp"]
        number, publisher = info["publication_sequence_number"], info["publisher_gid"]["data"]
        self.pipeline.add(topic, stamp_ns, sent_ns, number, publisher)

    def _sum_up(self, lateness_ns: int) -> None:
        self.look()
        now_ns = time.monotonic_ns()
        self._found = self.pipeline.figures(now_ns), self.pipeline.troubles(now_ns)
        self.pipeline.roll(now_ns)
        self._used.append((now_ns, time.process_time_ns()))

    def _on_active(self, message: String) -> None:
        self.loop.post(lambda: self.pipeline.journey.drives(message.data))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if (node := self._others.get(status.name)) and status.hardware_id in ("", self.task.name):
                trouble = status.message if status.level != DiagnosticStatus.OK else ""
                values = {pair.key: pair.value for pair in status.values}
                self.reports.take(node, trouble, values, time.monotonic_ns())

    @property
    def cpu_percent(self) -> float:
        """What this process has cost lately [% of a core]."""
        (begin_ns, used_ns), (end_ns, end_used_ns) = self._used[0], self._used[-1]
        return 100.0 * (end_used_ns - used_ns) / max(end_ns - begin_ns, 1)

    def trouble(self) -> str:
        """Everything that is not as it should be."""
        found = [*self._found[1], *self.reports.troubles(time.monotonic_ns())]
        allowed = _OWN_PERCENT + 100.0 * (self._markers.share + self._transforms.share)
        if self.cpu_percent > allowed:
            found.append(f"the monitor itself takes {self.cpu_percent:.0f} % of a core, more than {allowed:.0f}")
        return "; ".join(found)

    def figures(self) -> dict[str, object]:
        """Rates, latencies, misses; what matters of the other nodes' figures; its own cost."""
        own = {"cpu_percent": self.cpu_percent, "frame_ms": self._markers.frame_ms}
        return {**self._found[0], **self.reports.figures(time.monotonic_ns()), **own}

    def summary(self) -> dict[str, object]:
        """The figures of the last seconds."""
        return dict(self._found[0])


def main() -> int:
    """Entry point."""
    return run([Monitor])


if __name__ == "__main__":
    raise SystemExit(main())
