"""Figures of the last few seconds: what is older is forgotten, second by second."""

from __future__ import annotations

from collections import deque

import numpy as np

_MOST = 20_000  # values kept of one second: a flood must not fill the memory


class Times:
    """Times [ns] of the last ``seconds`` seconds and of the present one; adding one costs next to nothing."""

    def __init__(self, seconds: int) -> None:
        self._parts: deque[list[int]] = deque([[]], maxlen=seconds + 1)

    def add(self, value_ns: int) -> None:
        """Take in one time [ns]."""
        part = self._parts[-1]
        if len(part) < _MOST:
            part.append(value_ns)

    def roll(self) -> None:
        """Begin a new second."""
        self._parts.append([])

    def summary(self, *, nominal_ns: int = 0) -> dict[str, float]:
        """``p50``, ``p99`` and ``max`` [ms] of the distances from ``nominal_ns``; empty when there is nothing."""
        values = np.concatenate([np.array(part, dtype=np.int64) for part in self._parts])
        if not len(values):
            return {}
        found = np.percentile(np.abs(values - nominal_ns), (50, 99, 100), method="higher") / 1e6
        return dict(zip(("p50", "p99", "max"), map(float, found), strict=True))


class Tally:
    """Events of the last ``seconds`` seconds and of the present one."""

    def __init__(self, seconds: int) -> None:
        self._parts = deque([0], maxlen=seconds + 1)

    def add(self, number: int = 1) -> None:
        """Count ``number`` events."""
        self._parts[-1] += number

    def roll(self) -> None:
        """Begin a new second."""
        self._parts.append(0)

    @property
    def total(self) -> int:
        """How many there were."""
        return sum(self._parts)
