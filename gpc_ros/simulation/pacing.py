"""Question and answer: which command answers which measurement, how fast, and what counts as an answer at all."""

from __future__ import annotations

import numpy as np

from gpc_ros.signals import NS_PER_S, Command
from gpc_ros.statistics import Histogram

_KEPT = 512  # questions whose answer may still come


class Pacing:
    """Matches commands to measurements by stamp. Times ``now_ns`` are on the steady clock."""

    def __init__(self, command_timeout_s: float) -> None:
        self._timeout_ns = round(command_timeout_s * NS_PER_S)
        self._asked: dict[int, int] = {}
        self.last_asked_ns = -1
        self._command: Command | None = None
        self._answered_ns = 0
        self._woke_ns = 0
        self.begun = False
        self.ticks = 0
        self.answered = 0
        self.late = 0
        self.nonfinite = 0
        self.latency = Histogram()
        self.period = Histogram()

    def begin_epoch(self) -> None:
        """The plant was reset: what was commanded before holds no more."""
        self._command = None
        self._asked.clear()

    def asked(self, stamp_ns: int, now_ns: int) -> None:
        """A measurement went out."""
        self._asked[stamp_ns] = now_ns
        self.last_asked_ns = stamp_ns
        while len(self._asked) > _KEPT:
            del self._asked[next(iter(self._asked))]

    def answer(self, command: Command, stamp_ns: int, epoch: int, now_ns: int) -> str:
        """A command came while the plant was at ``stamp_ns`` in ``epoch``; why it is refused, or an empty text."""
        if not np.isfinite(command.ctrl).all():
            self.nonfinite += 1
            return "nonfinite"
        if command.epoch != epoch:
            return "old epoch" if command.epoch < epoch else "unknown epoch"
        if command.stamp_ns > stamp_ns:
            return "future stamp"
        if self._command is not None and self._command.epoch == epoch and command.stamp_ns < self._command.stamp_ns:
            return "old stamp"
        first = self._command is not None and command.stamp_ns > self._command.stamp_ns  # a question is counted once
        if (asked_ns := self._asked.pop(command.stamp_ns, None)) is not None and first:
            self.latency.add(now_ns - asked_ns)
            in_time = command.stamp_ns == self.last_asked_ns
            self.answered += in_time
            self.late += not in_time
        self._command, self._answered_ns, self.begun = command, now_ns, True
        return ""

    def command(self, now_ns: int) -> Command | None:
        """The command to apply now: the latest, or None when none came for the time-out."""
        return self._command if now_ns - self._answered_ns <= self._timeout_ns else None

    def woke(self, now_ns: int) -> None:
        """A period began."""
        if self._woke_ns:
            self.period.add(now_ns - self._woke_ns)
        self._woke_ns = now_ns

    def summary(self) -> dict[str, object]:
        """Ticks, how many were answered in time, latency and period [ms]."""
        return {
            "ticks": self.ticks,
            "answered": self.answered,
            "deadline_misses": max(0, self.ticks - self.answered),
            "late_answers": self.late,
            "latency_ms": self.latency.summary(),
            "period_ms": self.period.summary(),
            "nonfinite_commands": self.nonfinite,
        }

    def figures(self) -> dict[str, object]:
        """As ``summary``, flat, for /diagnostics."""
        flat: dict[str, object] = {}
        for name, value in self.summary().items():
            flat.update({f"{name} {key}": v for key, v in value.items()} if isinstance(value, dict) else {name: value})
        return flat
