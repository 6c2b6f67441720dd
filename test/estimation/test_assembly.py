"""One measurement out of several topics: whole where all come, late by a period at most where one does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpc_ros.estimation.assembly import Assembly
from gpc_ros.signals import Measurement

MS = 1_000_000
PERIOD = 2 * MS


def states(tick: int, epoch: int = 0) -> Measurement:
    return Measurement(tick * PERIOD, {"position": np.array([float(tick)])}, epoch)


def part(tick: float, name: str = "base") -> Measurement:
    return Measurement(round(tick * PERIOD), {f"{name}/pose": np.array([float(tick)])})


def summary(ready: list[Measurement]) -> list[tuple[int, list[str]]]:
    return [(measurement.stamp_ns // PERIOD, sorted(measurement.readings)) for measurement in ready]


@pytest.fixture
def assembly() -> Assembly:
    return Assembly(["base"], 5 * MS)


def test_without_parts_all_passes_through():
    assembly = Assembly([], 0)
    for tick in (1, 2, 2, 5):
        assert summary(assembly.add_states(states(tick))) == [(tick, ["position"])]


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_in_whatever_order_the_two_come_each_tick_is_whole_and_comes_once(part_first):
    assembly = Assembly(["base"], 5 * MS)
    for tick, first in enumerate(part_first, 1):
        calls = [lambda: assembly.add_part("base", part(tick)), lambda: assembly.add_states(states(tick))]  # noqa: B023
        ready = [m for call in (calls if first else calls[::-1]) for m in call()]
        assert summary(ready) == [(tick, ["base/pose", "position"])]
        assert ready[0].readings["base/pose"][0] == tick


def test_several_parts_are_all_waited_for():
    assembly = Assembly(["base", "ball"], 5 * MS)
    assert not assembly.add_part("ball", part(1, "ball"))
    assert not assembly.add_states(states(1))
    assert summary(assembly.add_part("base", part(1))) == [(1, ["ball/pose", "base/pose", "position"])]


def test_what_is_asked_again_is_answered_again(assembly):
    assembly.add_part("base", part(1))
    first = summary(assembly.add_states(states(1)))
    assembly.add_part("base", part(1))
    assert summary(assembly.add_states(states(1))) == first


def test_asking_again_does_not_end_the_waiting(assembly):
    for _ in range(10):
        assert not assembly.add_states(states(1))
    assert summary(assembly.add_part("base", part(1))) == [(1, ["base/pose", "position"])]


def test_a_lost_part_delays_by_one_period(assembly):
    assembly.add_part("base", part(1))
    assembly.add_states(states(1))
    assert not assembly.add_states(states(2))  # its part is lost
    assembly.add_part("base", part(3))
    ready = assembly.add_states(states(3))
    assert [stamp for stamp, _ in summary(ready)] == [2, 3]
    assert ready[1].readings["base/pose"][0] == 3.0


def test_a_part_that_stays_away_is_waited_for_no_more(assembly):
    given = [tick for tick in range(1, 20) for _ in assembly.add_states(states(tick))]
    assert given[-1] == 19
    assert summary(assembly.add_states(states(20))) == [(20, ["position"])]
    assembly.add_part("base", part(20))  # late, but in step: from now on it is waited for again
    assert not assembly.add_states(states(21))
    assert summary(assembly.add_part("base", part(21))) == [(21, ["base/pose", "position"])]


def test_a_slower_part_goes_once_with_the_states_next_to_it(assembly):
    """Motion capture at a fifth of the rate, on a clock of its own."""
    seen = []
    for tick in range(1, 101):
        if tick % 5 == 0:
            assembly.add_part("base", part(tick - 0.4))
        seen += [m.readings["base/pose"][0] for m in assembly.add_states(states(tick)) if "base/pose" in m.readings]
    assert len(seen) == len(set(seen))
    assert len(seen) >= 18


def test_a_part_beyond_the_tolerance_does_not_count(assembly):
    for tick in range(11, 30):
        assembly.add_part("base", part(tick - 10))
        assert all("base/pose" not in m.readings for m in assembly.add_states(states(tick)))


def test_a_new_epoch_ends_the_waiting(assembly):
    assert not assembly.add_states(states(5))
    assert not assembly.add_states(states(6, epoch=1))
    assert summary(assembly.add_part("base", part(6))) == [(6, ["base/pose", "position"])]
