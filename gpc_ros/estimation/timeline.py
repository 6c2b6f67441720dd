"""What a stamp means for an estimator: the next step, a new start, or a refusal."""

from __future__ import annotations

import enum

import numpy as np

from gpc_ros.errors import InvalidSignal
from gpc_ros.signals import NS_PER_S

_END_NS = 2**31 * NS_PER_S  # a ROS time has 31 bits of seconds, and 0 means none


class Turn(enum.Enum):
    """How to go on with a measurement whose stamp is in order."""

    NEXT = "next"  # predict to it
    FIRST = "first"  # start: nothing before it
    EPOCH = "epoch"  # start: the plant was reset
    GAP = "gap"  # start: too long after the last one
    CLOCK = "clock"  # start: the clock was set back


class Timeline:
    """The stamps accepted so far, and the rule for the next one.

    Late means at or before the last accepted stamp: such a measurement is dropped, never replayed, so time
    never runs backwards. A stamp of an older epoch is dropped too. Only when nothing but late or older ones came,
    in rising order, over ``reset_after_ns``, is the clock (or the plant) taken to have been set back.
    """

    def __init__(self, *, coast_ns: int, reset_after_ns: int, future_ns: int) -> None:
        self.stamp_ns: int | None = None
        self.epoch = 0
        self._coast_ns = coast_ns
        self._reset_after_ns = reset_after_ns
        self._future_ns = future_ns
        self._late: tuple[int, int, int] | None = None  # epoch, first and last stamp of a run of late ones

    def judge(self, stamp_ns: int, epoch: int, now_ns: int | None) -> Turn:
        """What to do with ``stamp_ns`` [ns] of ``epoch``; nothing is accepted yet.

        Raises:
            InvalidSignal: reason ``stamp``, ``future``, ``epoch``, ``duplicate`` or ``late``.
        """
        if not isinstance(stamp_ns, (int, np.integer)) or not 0 < stamp_ns < _END_NS:
            raise InvalidSignal("stamp", f"stamp {stamp_ns!r} is not a time in nanoseconds after 0 and before 2038")
        if now_ns is not None and stamp_ns > now_ns + self._future_ns:
            raise InvalidSignal("future", f"stamp is {(stamp_ns - now_ns) / NS_PER_S:.6f} s ahead of now")
        if self.stamp_ns is None:
            return Turn.FIRST
        if epoch > self.epoch:
            return Turn.EPOCH
        if epoch < self.epoch or stamp_ns <= self.stamp_ns:
            return self._behind(stamp_ns, epoch)
        return Turn.NEXT if stamp_ns - self.stamp_ns <= self._coast_ns else Turn.GAP

    def _behind(self, stamp_ns: int, epoch: int) -> Turn:
        if self._late is None or self._late[0] != epoch or stamp_ns <= self._late[2]:
            self._late = (epoch, stamp_ns, stamp_ns)
        else:
            self._late = (epoch, self._late[1], stamp_ns)
        if self._late[2] - self._late[1] >= self._reset_after_ns:
            return Turn.CLOCK
        if epoch < self.epoch:
            raise InvalidSignal("epoch", f"epoch {epoch} is over, the present one is {self.epoch}")
        if stamp_ns == self.stamp_ns:
            raise InvalidSignal("duplicate", f"stamp {stamp_ns} came twice")
        raise InvalidSignal("late", f"stamp {stamp_ns} is before the last one, {self.stamp_ns}")

    def accept(self, stamp_ns: int, epoch: int) -> None:
        """Go on from ``stamp_ns`` [ns] of ``epoch``."""
        self.stamp_ns, self.epoch, self._late = int(stamp_ns), epoch, None
