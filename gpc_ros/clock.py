"""Steady time, absolute deadlines, and a clock that tests can set. Everything here is in nanoseconds."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""A function that returns steady time [ns]. ``time.monotonic_ns`` is one, ``FakeClock`` another."""


class FakeClock:
    """A steady clock that moves only when told to."""

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        """Advance by ``seconds`` [s]."""
        self.now_ns += max(0, round(seconds * 1e9))


class Deadline:
    """Absolute deadlines one ``period_ns`` apart; lateness never accumulates, missed ones are skipped and counted."""

    def __init__(
        self, period_ns: int, *, clock: Clock = time.monotonic_ns, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.period_ns = period_ns
        self.overruns = 0
        self._clock = clock
        self._sleep = sleep
        self._next_ns = clock() + period_ns

    def wait(self) -> int:
        """Sleep until the next deadline.

        Returns:
            The lateness [ns] at wake-up, at least 0.
        """
        now = self._clock()
        if now >= self._next_ns + self.period_ns:  # a whole period lost: skip, no burst to catch up
            missed = (now - self._next_ns) // self.period_ns
            self.overruns += missed
            self._next_ns += missed * self.period_ns
        while (remaining := self._next_ns - self._clock()) > 0:
            self._sleep(remaining / 1e9)
        late = self._clock() - self._next_ns
        self._next_ns += self.period_ns
        return late

    def restart(self) -> None:
        """Count from now again, as after a pause."""
        self._next_ns = self._clock() + self.period_ns
