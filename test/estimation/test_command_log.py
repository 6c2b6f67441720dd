"""Which command was in force when."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gpc_ros.estimation.command_log import CommandLog
from gpc_ros.signals import Command

COMMANDS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 30)), max_size=30)


def command(stamp_ns: int, *, epoch: int = 0, value: float = 0.0) -> Command:
    return Command(stamp_ns, np.array([value]), epoch=epoch)


def test_before_the_first_there_is_none() -> None:
    log = CommandLog()
    assert log.since(10) is None
    assert not log.has(0)
    log.add(command(10))
    assert log.since(9) is None
    assert not log.has(11)


def test_the_newest_that_had_taken_effect() -> None:
    log = CommandLog()
    for stamp in (10, 12, 14):
        log.add(command(stamp))
    assert [log.since(start).stamp_ns for start in (10, 11, 12, 13, 14, 99)] == [10, 10, 12, 12, 14, 14]
    assert log.has(14)
    assert not log.has(15)


def test_a_delay_shifts_it() -> None:
    log = CommandLog(delay_ns=4)
    for stamp in (10, 12, 14):
        log.add(command(stamp))
    assert log.since(13) is None
    assert [log.since(start).stamp_ns for start in (14, 16, 18)] == [10, 12, 14]
    log.delay_ns = 0
    assert log.since(14).stamp_ns == 14


def test_an_answer_to_an_earlier_stamp_replaces_what_was_only_foreseen() -> None:
    log = CommandLog()
    for stamp in (10, 12, 14, 16):
        log.add(command(stamp, value=1.0))
    log.add(command(12, value=2.0))
    assert [log.since(start).ctrl[0] for start in (10, 12, 16)] == [1.0, 2.0, 2.0]


def test_a_new_epoch_forgets_the_old_one() -> None:
    log = CommandLog()
    log.add(command(20, value=1.0))
    log.add(command(10, epoch=1, value=2.0))
    assert log.since(9) is None
    assert log.since(99).ctrl[0] == 2.0


def test_it_forgets_the_oldest_and_never_grows_without_end() -> None:
    log = CommandLog()
    for stamp in range(1, 2001):
        log.add(command(stamp))
    assert log.since(1) is None
    assert log.since(2000).stamp_ns == 2000
    assert len(log._commands) < 1000


@given(COMMANDS, st.integers(0, 40))
def test_the_answer_is_always_in_force_and_of_the_newest_epoch(commands: list[tuple[int, int]], start: int) -> None:
    """By definition: the newest added at or before ``start``, of those that no later answer replaced."""
    log = CommandLog()
    kept: list[Command] = []
    for epoch, stamp in sorted(commands, key=lambda pair: pair[0]):
        log.add(command(stamp, epoch=epoch))
        kept = [old for old in kept if old.epoch == epoch and old.stamp_ns < stamp] + [command(stamp, epoch=epoch)]
    expected = max((c.stamp_ns for c in kept if c.stamp_ns <= start), default=None)
    found = log.since(start)
    assert (found.stamp_ns if found else None) == expected
