"""The last seconds of a few values, for a plot."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from gpc_ros.signals import NS_PER_S, Array

SPAN_S = 10.0
"""What a plot shows."""
_MOST = 1200  # samples: more than the fastest picture has in that time


class Traces:
    """Values over their stamps; older than ``SPAN_S`` are forgotten, and all of them when time goes back."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._rows: deque[tuple[int, Array]] = deque(maxlen=_MOST)

    def add(self, stamp_ns: int, values: Sequence[float] | Array) -> None:
        """Take ``values`` (width,) of ``stamp_ns``; those of the last stamp come again are no news."""
        if self._rows and stamp_ns < self._rows[-1][0]:
            self._rows.clear()
        if not self._rows or stamp_ns > self._rows[-1][0]:
            self._rows.append((stamp_ns, np.asarray(values, dtype=float)))
        while stamp_ns - self._rows[0][0] > SPAN_S * NS_PER_S:
            self._rows.popleft()

    def columns(self) -> tuple[Array, ...]:
        """Times up to now (0) [s] and then each value over them."""
        if not self._rows:
            return tuple(np.empty(0) for _ in range(1 + self._width))
        newest = self._rows[-1][0]
        times = np.array([(stamp - newest) / NS_PER_S for stamp, _ in self._rows])
        return (times, *np.array([values for _, values in self._rows]).T)
