"""Absolute deadlines, with a clock that only sleeping moves."""

from __future__ import annotations

from gpc_ros.clock import Deadline, FakeClock

MS = 1_000_000


def make(period: int = 2 * MS) -> tuple[FakeClock, Deadline]:
    clock = FakeClock(100)
    return clock, Deadline(period, clock=clock, sleep=clock.sleep)


def test_lateness_does_not_accumulate() -> None:
    clock, deadline = make()
    for number in range(1, 100):
        late = deadline.wait()
        assert (clock.now_ns, late) == (100 + number * 2 * MS, 0)
        clock.now_ns += MS  # work


def test_missed_deadlines_are_skipped_and_counted_not_made_up_for() -> None:
    clock, deadline = make()
    deadline.wait()
    clock.now_ns += 11 * MS
    assert deadline.wait() == 9 * MS
    assert deadline.overruns == 4
    before = clock.now_ns
    deadline.wait()
    assert clock.now_ns - before == MS  # back on the grid


def test_a_little_late_is_late_but_no_overrun() -> None:
    clock, deadline = make()
    clock.now_ns += 3 * MS
    assert deadline.wait() == MS
    assert deadline.overruns == 0


def test_restart_counts_from_now() -> None:
    clock, deadline = make()
    clock.now_ns += 50 * MS
    deadline.restart()
    assert deadline.remaining_ns() == 2 * MS
    assert deadline.wait() == 0
    assert deadline.overruns == 0
