"""The live view of ``gpc up`` as text, from what the nodes say of themselves in /diagnostics. No ROS here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gpc_ros import spec
from gpc_ros.statistics import Counts

_SILENT_S = 5.0  # they report once a second
_MONITOR = "monitor"
_ECHO = re.compile(rf"^({'|'.join(spec.NODES)})(: | silent )")
_TOPICS = {
    "simulator": ("joint_states",),
    "estimator": ("state_estimate",),
    "policy_server": ("policy/plan",),
    "spc": ("spc/plan", "seeded_spc/plan"),
    "controller": ("command",),
}
"""By node: the topics whose rate is shown, the busiest of them."""
_TIMES = {"estimator": "update_ms", "policy_server": "inference_ms", "spc": "replan_ms", "controller": "select_ms"}
_FIGURES = {
    "simulator": "{ticks} ticks, {deadline_misses} misses, {overruns} overruns",
    "estimator": "health {health}, NIS {nis}",
    "policy_server": "{state}",
    "spc": "{state}",
    "controller": "{driver} drives",
    "monitor": "{cpu_percent} % of a core",
    "web": "{page}, {browsers} looking",
    "recorder": "{messages} messages, {megabytes} MB, {dropped} dropped, {lost} lost: {file}",
}
_LEGS = {"sensor_to_estimate": "estimate", "estimate_to_plan": "plan", "estimate_to_command": "command"}


@dataclass(frozen=True, slots=True)
class Status:
    """What a node said last: what is wrong, if anything, and its figures; came at ``time_s`` [s, steady]."""

    trouble: str
    values: Mapping[str, str]
    time_s: float


class Board:
    """Keeps the last status of each node and the last event: trouble, its end, a swap, a fallback, silence, a return.

    Whatever a node leaves out, or says that is no number, is a blank. Times ``now_s`` are steady [s].
    """

    def __init__(self) -> None:
        self._latest: dict[str, Status] = {}
        self._silent: set[str] = set()
        self._event = ""
        self._event_s = 0.0

    @property
    def event(self) -> str:
        """The last thing that happened, in a line."""
        return self._event

    def take(self, node: str, trouble: str, values: Mapping[str, str], now_s: float) -> None:
        """Take what ``node`` says: ``trouble`` is empty when all is well."""
        if node not in spec.NODES:
            return
        if node == _MONITOR:  # what it repeats of others has been told by them
            trouble = "; ".join(part for part in trouble.split("; ") if not _ECHO.match(part))
        before, status = self._latest.get(node), Status(trouble, dict(values), now_s)
        self._latest[node] = status
        for happened in _changes(before, status):
            self._tell(f"{node}: {happened}", now_s)
        if node in self._silent:
            self._silent.discard(node)
            self._tell(f"{node}: is back", now_s)

    def table(self, title: str, now_s: float) -> RenderableType:
        """Everything, under a first line that says who drives ``title``."""
        self._listen(now_s)
        if not self._latest:
            return Text("starting ...")
        rows = Table(box=None, pad_edge=False, header_style="dim", expand=True)
        for name, width in (("", 13), ("", 11), ("Hz", 5), ("p50 ms", 7), ("p99 ms", 7)):
            rows.add_column(name, width=width, justify="right" if name else "left", no_wrap=True)
        rows.add_column("", ratio=1, no_wrap=True, overflow="ellipsis")
        for node in spec.NODES.values():
            if node.name in self._latest or not node.observer:
                rows.add_row(*self._row(node.name, now_s))
        ago = f"{now_s - self._event_s:.0f} s ago: {self._event}" if self._event else ""
        feet = (Text(line, no_wrap=True, overflow="ellipsis") for line in (self._way(), ago) if line)
        return Group(self._head(title), rows, *feet)

    def _tell(self, event: str, now_s: float) -> None:
        self._event, self._event_s = event, now_s

    def _listen(self, now_s: float) -> None:
        silent = {node for node, status in self._latest.items() if now_s - status.time_s > _SILENT_S}
        if new := silent - self._silent:
            self._silent |= new
            self._tell(f"{', '.join(node for node in spec.NODES if node in new)}: silent", now_s)

    def _head(self, title: str) -> Text:
        active = self._value("controller", "active")
        head = Text(title, style="bold", no_wrap=True, overflow="ellipsis")
        head.append(f"  {active} is to drive" if active else "", style="default")
        return head.append("  (Ctrl-C stops)", style="dim")

    def _row(self, node: str, now_s: float) -> tuple[Text, ...]:
        status = self._latest.get(node)
        rates = [_number(self._value(_MONITOR, f"rate_hz {topic}")) for topic in _TOPICS.get(node, ())]
        rate = max((rate for rate in rates if rate is not None), default=None)
        used = [_number(self._value(node, f"{_TIMES.get(node)} {key}")) or None for key in ("p50", "p99")]
        figures = [_shown(rate, ".0f"), *(_shown(value, ".2f") for value in used)]
        if status is None:
            return Text(node), Text("starting", "dim"), *map(Text, figures), Text()
        if node in self._silent:
            return Text(node), Text(f"silent {now_s - status.time_s:.0f} s", "bold red"), *map(Text, figures), Text()
        state = Text("warn", "bold yellow") if status.trouble else Text("ok", "green")
        words = status.trouble or _filled(_FIGURES[node], lambda name: self._value(node, name))
        return Text(node), state, *map(Text, figures), Text(words)

    def _way(self) -> str:
        """The latencies from a measurement to its command."""
        whole = self._times(_MONITOR, "sensor_to_command_ms") or self._times("simulator", "latency_ms")
        if not whole:
            return ""
        legs = [f"{name} {times}" for leg, name in _LEGS.items() if (times := self._times(_MONITOR, f"{leg}_ms"))]
        misses, window = (_number(self._value(_MONITOR, name)) for name in ("deadline_misses", "window_s"))
        late = f"; {misses:.0f} misses in {window:.0f} s" if misses is not None and window is not None else ""
        return f"measurement to command {whole} ms{' (' + ', '.join(legs) + ')' if legs else ''}{late}"

    def _times(self, node: str, name: str) -> str:
        p50, p99 = (_number(self._value(node, f"{name} {key}")) for key in ("p50", "p99"))
        return f"{p50:.2f} / {p99:.2f}" if p50 is not None and p99 is not None else ""

    def _value(self, node: str, name: str) -> str:
        return self._latest[node].values.get(name, "") if node in self._latest and node not in self._silent else ""


def _changes(before: Status | None, now: Status) -> list[str]:
    """What happened between two statuses of a node, the most telling last."""
    found = []
    trouble = before.trouble if before else ""
    if now.trouble != trouble:
        found.append(now.trouble or f"well again (was: {trouble})")
    if before is None:
        return found
    fallbacks = [Counts.number_in(status.values.get("executive", ""), "fallbacks") for status in (before, now)]
    if fallbacks[1] > fallbacks[0] and not now.trouble:
        found.append(f"fell back, {now.values.get('driver', 'the planner')} drives again")
    for name, what in (("active", "planner"), ("model", "policy")):
        old, new = (status.values.get(name, "") for status in (before, now))
        if old and new and old != new:
            found.append(f"{what} {old} -> {new}")
    return found


def _filled(template: str, value: Callable[[str], str]) -> str:
    """The parts of ``template`` (between commas and colons) whose names all have a value."""
    parts = re.findall(r"[^,:]+[,:]?", template)
    kept = [
        re.sub(r"{(\w+)}", lambda name: value(name[1]), part)
        for part in parts
        if all(map(value, re.findall(r"{(\w+)}", part)))
    ]
    return "".join(kept).strip(" ,:")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"
