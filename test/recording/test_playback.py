"""The pace of a replay: absolute times, whatever publishing takes."""

from __future__ import annotations

import pytest

from gpc_ros.clock import FakeClock
from gpc_ros.recording.playback import play
from gpc_ros.recording.reader import Channel, Message

CHANNEL = Channel("/a", "std_msgs/String")
MS = 1_000_000
BEGIN = 10**18


def played(times_ms: list[float], *, takes_ms: float = 0.0, rate: float = 1.0, stop_after: int = 1000) -> list[float]:
    """When each message went out [ms]."""
    clock, found = FakeClock(), list[float]()

    def publish(message: Message) -> None:
        found.append(clock.now_ns / MS)
        clock.sleep(takes_ms / 1e3)

    messages = [Message(CHANNEL, BEGIN + round(time * MS), 0, 0, b"") for time in times_ms]
    stopped = lambda: len(found) >= stop_after  # noqa: E731
    count = play(messages, publish, begin_ns=BEGIN, rate=rate, clock=clock, wait=clock.sleep, stopped=stopped)
    assert count == len(found)
    return found


@pytest.mark.parametrize(("rate", "expected"), [(1.0, [0, 2, 7]), (2.0, [0, 1, 3.5]), (0.5, [0, 4, 14])])
def test_messages_go_out_at_their_times(rate: float, expected: list[float]) -> None:
    assert played([0, 2, 7], rate=rate) == expected


def test_what_publishing_takes_delays_nothing_but_what_is_due_meanwhile() -> None:
    assert played([0, 1, 2, 10, 12], takes_ms=1.5) == [0, 1.5, 3, 10, 12]


def test_what_was_due_before_the_begin_goes_out_at_once() -> None:
    assert played([-5, -3, 1]) == [0, 0, 1]


def test_it_ends_when_it_is_told_to() -> None:
    assert played([0, 1, 2, 3], stop_after=2) == [0, 1]


def test_it_ends_in_the_middle_of_a_wait() -> None:
    clock, waits = FakeClock(), []

    def wait(seconds: float) -> None:
        waits.append(seconds)

    message = Message(CHANNEL, BEGIN + 1000 * MS, 0, 0, b"")
    found: list[Message] = []
    stopped = lambda: len(waits) >= 3  # noqa: E731
    assert play([message], found.append, begin_ns=BEGIN, clock=clock, wait=wait, stopped=stopped) == 0
    assert (found, waits) == ([], [1.0] * 3)
