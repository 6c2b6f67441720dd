"""What the other nodes say of themselves in /diagnostics, while it is fresh."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from gpc_ros.statistics import Counts

_FRESH_NS = 5_000_000_000  # they report once a second
_FORGOTTEN_NS = 30_000_000_000
_MOST = 64
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Report:
    """The last report of a node: what is wrong, if anything, and its figures; came at ``time_ns`` [ns, steady]."""

    trouble: str
    values: Mapping[str, str]
    time_ns: int


class Reports:
    """The last report of each node. Times ``now_ns`` are on the steady clock."""

    def __init__(self, seconds: int) -> None:
        self._latest: dict[str, Report] = {}
        self._fallbacks: deque[tuple[int, int]] = deque()
        self._seconds = seconds

    def take(self, node: str, trouble: str, values: Mapping[str, str], now_ns: int) -> None:
        """Keep a report: what is wrong (empty: nothing), and figures by name."""
        if node in self._latest or len(self._latest) < _MOST:
            self._latest[node] = Report(trouble, values, now_ns)
        if node == "controller":
            self._fallbacks.append((now_ns, Counts.number_in(values.get("executive", ""), "fallbacks")))

    def figures(self, now_ns: int) -> dict[str, object]:
        """The figures that tell how the stack is, of all nodes in one."""
        for node, report in list(self._latest.items()):
            if now_ns - report.time_ns > _FORGOTTEN_NS:
                del self._latest[node]
        found: dict[str, object] = {
            name: self._value(node, name, now_ns)
            for node, names in (
                ("estimator", ("health", "nis")),
                ("controller", ("active", "driver", "reason")),
                ("policy_server", ("provider",)),
                ("simulator", ("overruns",)),
            )
            for name in names
        }
        found["fallbacks"] = self.fallbacks(now_ns)
        found |= self._search(now_ns)
        return {name: value for name, value in found.items() if value != ""}

    def fallbacks(self, now_ns: int) -> int:
        """How often the controller fell back in the last seconds."""
        kept = self._fallbacks
        while len(kept) > 1 and now_ns - kept[0][0] > (self._seconds + 1) * _NS_PER_S:
            kept.popleft()
        return max(0, kept[-1][1] - kept[0][1]) if kept else 0

    def troubles(self, now_ns: int) -> list[str]:
        """What nodes say is wrong, and those that are silent, one line each."""
        found = []
        for node, report in sorted(self._latest.items()):
            silent_ns = now_ns - report.time_ns
            if silent_ns > _FRESH_NS:
                found.append(f"{node} silent for {silent_ns / _NS_PER_S:.0f} s")
            elif report.trouble:
                found.append(f"{node}: {report.trouble}")
        return found

    def _value(self, node: str, name: str, now_ns: int) -> str:
        report = self._latest.get(node)
        return report.values.get(name, "") if report and now_ns - report.time_ns <= _FRESH_NS else ""

    def _search(self, now_ns: int) -> dict[str, object]:
        """Each cost term's share of the last plan's cost [%], and the effective sample size."""
        report = self._latest.get("spc")
        if report is None or now_ns - report.time_ns > _FRESH_NS:
            return {}
        terms = {name: _number(value) for name, value in report.values.items() if re.match("running_|terminal_", name)}
        total = sum(terms.values())
        shares: dict[str, object] = {
            f"share_percent {name}": 100.0 * value / total if total > 0 else 0.0 for name, value in terms.items()
        }
        kept = ("effective_samples", "cost_spread", "nominal_cost")
        return {name: _number(report.values[name]) for name in kept if name in report.values} | shares


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
