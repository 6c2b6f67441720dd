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
        """The time that was set [ns]."""
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

    def remaining_ns(self) -> int:
        """Time [ns] until the next deadline; negative when it has passed."""
        return self._next_ns - self._clock()

    def advance(self) -> int:
        """Pass the deadline that is due: the next one is the first that is still to come.

        Returns:
            The lateness [ns], at least 0.
        """
        late = max(0, -self.remaining_ns())
        skipped = late // self.period_ns  # whole periods lost: skipped, no burst to catch up
        self.overruns += skipped
        self._next_ns += (skipped + 1) * self.period_ns
        return late

    def wait(self) -> int:
        """Sleep until the next deadline and pass it; the lateness [ns] at wake-up."""
        while (remaining := self.remaining_ns()) > 0:
            self._sleep(remaining / 1e9)
        return self.advance()

    def restart(self) -> None:
        """Count from now again, as after a pause."""
        self._next_ns = self._clock() + self.period_ns
