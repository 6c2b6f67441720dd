"""The plan in force: what can be gone on from, what it says from a later moment on, and whose it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpc_ros.control.previous import Grid, Previous, converted, seen_from, usable, warm_start
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Estimate, Plan, Samples

MS = 1_000_000
GRID = Grid(4, 100 * MS, Interpolation.LINEAR)
KNOTS = np.array([[0.0], [1.0], [2.0], [3.0]])


def plan(planner: str = "spc", start_ms: int = 1000, **changes: object) -> Plan:
    values = {"knots": KNOTS, "interpolation": Interpolation.LINEAR, "planner": planner, **changes}
    return Plan(stamp_ns=start_ms * MS, start_ns=start_ms * MS, period_ns=100 * MS, **values)


def estimate(ms: int = 1000, *, epoch: int = 0) -> Estimate:
    return Estimate(ms * MS, np.zeros(2), np.zeros(2), epoch=epoch)


@pytest.mark.parametrize(("at_ms", "expected"), [(949, False), (950, True), (1000, True), (1299, True), (1300, False)])
def test_a_plan_is_of_use_from_a_little_before_its_start_to_its_end(at_ms: int, expected: bool) -> None:
    assert usable(plan(), estimate(at_ms)) is expected


@pytest.mark.parametrize(
    "found", [None, plan(epoch=1), plan(knots=np.full((4, 1), np.nan)), plan(knots=np.empty((0, 1)))]
)
def test_a_plan_that_says_nothing_here_is_of_no_use(found: Plan | None) -> None:
    assert not usable(found, estimate())
    assert warm_start(found, estimate(), GRID, 1) is None


def test_a_plan_of_another_width_is_no_warm_start() -> None:
    assert warm_start(plan(), estimate(), GRID, 2) is None


@pytest.mark.parametrize(
    ("at_ms", "expected"),
    [(1000, [0, 1, 2, 3]), (1100, [1, 2, 3, 3]), (1050, [0.5, 1.5, 2.5, 3]), (960, [0, 0.6, 1.6, 2.6])],
)
def test_a_warm_start_goes_on_where_the_plan_is(at_ms: int, expected: list[float]) -> None:
    found = warm_start(plan(), estimate(at_ms), GRID, 1)
    np.testing.assert_allclose(found[:, 0], expected)
    unmoved = warm_start(plan(), estimate(at_ms), GRID, 1, shift=False)
    np.testing.assert_array_equal(unmoved, KNOTS)


def test_knots_of_another_number_and_period_are_read_off_the_same_signal() -> None:
    np.testing.assert_allclose(
        seen_from(1100 * MS, plan(), Grid(5, 50 * MS, Interpolation.LINEAR))[:, 0], [1, 1.5, 2, 2.5, 3]
    )


def test_samples_are_moved_together() -> None:
    samples = Samples(1000 * MS, 100 * MS, np.stack([KNOTS, -KNOTS]), Interpolation.LINEAR)
    np.testing.assert_allclose(
        seen_from(1100 * MS, samples, Grid(2, 100 * MS, Interpolation.LINEAR))[..., 0], [[1, 2], [-1, -2]]
    )
    assert seen_from(
        1100 * MS, replace(samples, knots=np.empty((0, 4, 1))), Grid(2, 100 * MS, Interpolation.LINEAR)
    ).shape == (0, 2, 1)


def test_a_planner_goes_on_from_its_own_plan_while_that_lasts() -> None:
    previous = Previous()
    own = plan("spc", 1000)
    previous.add(own)
    previous.add(plan("policy", 1010))
    assert previous.of("spc", estimate(1020)) is own


def test_one_that_is_new_goes_on_from_the_newest_plan_made_before() -> None:
    previous = Previous()
    previous.add(plan("spc", 900))
    for at_ms in (1018, 1020):  # of the last, made at this very tick, it is chance whether it has come
        previous.add(plan("policy", at_ms))
    assert previous.of("seeded_spc", estimate(1020)).stamp_ns == 1018 * MS
    previous.add(plan("seeded_spc", 1020, knots=np.full((4, 1), np.nan)))  # no plan of its own yet
    assert previous.of("seeded_spc", estimate(1022)).stamp_ns == 1020 * MS
    assert previous.of("seeded_spc", estimate(1022, epoch=1)) is None


def test_one_that_comes_back_does_not_go_on_from_what_it_left() -> None:
    previous = Previous()
    previous.want(["policy"])
    previous.add(plan("policy", 1000))
    previous.want(["policy", "spc"])
    previous.want(["spc"])
    last = plan("policy", 1005)  # was under way
    previous.add(last)
    assert previous.of("policy", estimate(1010)) is last
    previous.add(plan("spc", 1100))
    previous.want(["spc", "policy"])
    assert previous.of("policy", estimate(1110)).planner == "spc"
    previous.want(["spc"])
    assert previous.of("spc", estimate(1110)).planner == "spc"


def test_what_drives_is_the_newest_plan_that_says_something_now() -> None:
    previous = Previous()
    assert previous.newest("policy", estimate(1000)) is None
    for at_ms in (900, 1000, 1010):
        previous.add(plan("policy", at_ms))
    previous.add(plan("spc", 1020))
    assert previous.newest("policy", estimate(1005)).stamp_ns == 1010 * MS
    previous.add(plan("policy", 1030, knots=np.empty((0, 1))))  # it has none any more
    assert previous.newest("policy", estimate(1030)).stamp_ns == 1010 * MS
    assert previous.newest("policy", estimate(1030, epoch=1)) is None


HELD = Grid(2, 100 * MS, Interpolation.ZERO)


@pytest.mark.parametrize(
    ("new", "elapsed_ms", "expected"),
    [
        (Grid(4, 50 * MS, Interpolation.ZERO), 0, [1, 1, 3, 3]),  # twice as many: the same signal
        (Grid(1, 200 * MS, Interpolation.ZERO), 0, [2]),  # half as many: its mean
        (HELD, 50, [2, 3]),  # half a period later: the mean over each interval, the last value held
        (Grid(3, 100 * MS, Interpolation.LINEAR), 0, [1, 2, 3]),  # through the middle of each step
    ],
)
def test_a_held_plan_keeps_its_mean_on_other_knots(new: Grid, elapsed_ms: int, expected: list[float]) -> None:
    found = converted(np.array([[1.0], [3.0]]), HELD, new, elapsed_ns=elapsed_ms * MS)
    np.testing.assert_allclose(found[:, 0], expected)


def test_a_line_is_averaged_where_it_becomes_held() -> None:
    line = Grid(3, 100 * MS, Interpolation.LINEAR)
    np.testing.assert_allclose(converted(np.array([[0.0], [1.0], [2.0]]), line, HELD)[:, 0], [0.5, 1.5])
