"""Keeps a job that recurs to a share of one core, whatever it costs."""

from __future__ import annotations

import time
from collections.abc import Callable

from gpc_ros.clock import Clock


class Budget:
    """Does the job when it is asked for, or later if it was dear, so that it takes no more than ``share`` of a core.

    Args:
        share: of one core.
        clock: steady time [ns].
        used: processor time of the thread [ns].
    """

    def __init__(self, share: float, *, clock: Clock = time.monotonic_ns, used: Clock = time.thread_time_ns) -> None:
        self.share = share
        self._clock = clock
        self._used = used
        self._next_ns = 0

    def run(self, job: Callable[[], None]) -> int:
        """Do ``job`` if it may be done by now; the processor time that it took [ns], 0 if not."""
        if self._clock() < self._next_ns:
            return 0
        begin_ns = self._used()
        job()
        used_ns = self._used() - begin_ns
        self._next_ns = self._clock() + round(used_ns / self.share) - used_ns
        return used_ns
