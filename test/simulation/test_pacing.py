"""Which command answers which measurement."""

from __future__ import annotations

import numpy as np
import pytest

from gpc_ros.signals import Command
from gpc_ros.simulation.pacing import Pacing

MS = 1_000_000


def command(stamp: int, *, epoch: int = 0, value: float = 0.0) -> Command:
    return Command(stamp, np.array([value]), epoch=epoch)


@pytest.fixture
def pacing() -> Pacing:
    pacing = Pacing(0.02)
    pacing.asked(10, 0)
    assert pacing.answer(command(10), 10, 0, MS) == ""  # the answer that begins the run is not counted
    return pacing


def test_latency_and_answer_in_time(pacing: Pacing) -> None:
    pacing.asked(12, 2 * MS)
    assert pacing.answer(command(12), 12, 0, 3 * MS) == ""
    assert pacing.answered == 1
    assert pacing.latency.max_ns == MS


def test_an_answer_after_the_next_question_is_late(pacing: Pacing) -> None:
    pacing.asked(12, 2 * MS)
    pacing.asked(14, 4 * MS)
    assert pacing.answer(command(12), 14, 0, 5 * MS) == ""
    assert pacing.answered == 0
    assert pacing.latency.count == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (command(16), "future stamp"),
        (command(8), "old stamp"),
        (command(12, epoch=1), "unknown epoch"),
        (command(12, epoch=-1), "old epoch"),
        (command(12, value=np.nan), "nonfinite"),
        (command(12, value=np.inf), "nonfinite"),
    ],
)
def test_refusals(pacing: Pacing, answer: Command, reason: str) -> None:
    pacing.asked(12, 2 * MS)
    assert pacing.answer(answer, 12, 0, 3 * MS) == reason
    assert pacing.command(3 * MS).stamp_ns == 10


@pytest.mark.parametrize(("now", "there"), [(20 * MS, True), (21 * MS, True), (22 * MS, False)])
def test_silence_takes_the_command_away(pacing: Pacing, now: int, there: bool) -> None:
    assert (pacing.command(now) is not None) is there


def test_an_answer_given_again_is_taken_but_counts_once(pacing: Pacing) -> None:
    pacing.asked(12, 2 * MS)
    for _ in range(3):
        assert pacing.answer(command(12), 12, 0, 3 * MS) == ""
    assert pacing.answered == 1
