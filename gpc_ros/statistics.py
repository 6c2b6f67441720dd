"""Streaming statistics of bounded cost, for the loop."""

from __future__ import annotations

import re
from collections import Counter

_BINS = 20_000  # of 1 us: up to 20 ms exactly, beyond by the maximum alone


class Histogram:
    """Times in bins of 1 us: percentiles of a run of any length at constant memory, O(1) per sample."""

    def __init__(self) -> None:
        self._bins = [0] * (_BINS + 1)
        self.count = 0
        self.max_ns = 0

    def add(self, value_ns: int) -> None:
        """Count one time [ns]."""
        self._bins[min(max(value_ns, 0) // 1000, _BINS)] += 1
        self.count += 1
        self.max_ns = max(self.max_ns, value_ns)

    def percentile_ms(self, fraction: float) -> float:
        """Upper edge [ms] of the bin that holds ``fraction`` of the samples; 0 when there are none."""
        wanted, seen = fraction * self.count, 0
        for index, number in enumerate(self._bins):
            seen += number
            if number and seen >= wanted:
                return self.max_ns / 1e6 if index == _BINS else min((index + 1) / 1e3, self.max_ns / 1e6)
        return 0.0

    def summary(self) -> dict[str, float]:
        """``p50``, ``p99`` and ``max`` [ms]."""
        return {"p50": self.percentile_ms(0.50), "p99": self.percentile_ms(0.99), "max": self.max_ns / 1e6}


class Counts(Counter[str]):
    """Events by reason, as refused signals."""

    def text(self) -> str:
        """``reason: number`` joined by commas, or ``none``."""
        return ", ".join(f"{reason}: {number}" for reason, number in sorted(self.items()) if number) or "none"

    @staticmethod
    def number_in(text: str, reason: str) -> int:
        """The number of ``reason`` in what ``text()`` gave; 0 where it is not in it."""
        found = re.search(rf"(?:^|, ){re.escape(reason)}: (\d{{1,18}})\b", text)
        return int(found[1]) if found else 0
