from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpc_ros.sampling.spline import Interpolation, Spline, read, resample
from gpc_ros.signals import Plan

KINDS = list(Interpolation)


def knots_of(count: int, nu: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, nu))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("num_knots", "steps"), [(5, 25), (10, 80), (3, 10), (7, 7), (4, 61)])
def test_batch_of_controls_is_what_a_plan_says_at_every_step(kind: Interpolation, num_knots: int, steps: int) -> None:
    spline = Spline(kind, num_knots, steps * 0.01, 0.01)
    knots = knots_of(num_knots)
    plan = Plan(stamp_ns=0, start_ns=123, period_ns=spline.period_ns, knots=knots, interpolation=kind)
    controls = spline.controls(knots[np.newaxis])[0]
    assert controls.shape == (steps, 2)
    for step in range(steps):
        np.testing.assert_allclose(plan.at(123 + step * 10_000_000), controls[step], atol=1e-6)


@given(st.integers(1, 60), st.integers(0, 200))
def test_held_knot_is_found_with_exact_arithmetic(num_knots: int, more: int) -> None:
    steps = num_knots + more
    spline = Spline(Interpolation.ZERO, num_knots, steps * 0.01, 0.01)
    held = spline.controls(np.arange(float(num_knots))[np.newaxis, :, np.newaxis])[0, :, 0]
    np.testing.assert_array_equal(held, [Fraction(t * num_knots, steps).__floor__() for t in range(steps)])


def test_knot_instants_of_a_rounded_period_read_the_knot_that_begins() -> None:
    spline = Spline(Interpolation.ZERO, 3, 0.5, 0.02)  # period of 166 666 667 ns, a third of a nanosecond too long
    knots = knots_of(3)
    np.testing.assert_array_equal(read(knots, 500_000_000 / 3 / spline.period_ns, spline.kind), knots[1])


@pytest.mark.parametrize("kind", [Interpolation.LINEAR, Interpolation.CUBIC])
def test_splines_pass_through_their_knots_and_hold_their_ends(kind: Interpolation) -> None:
    knots = knots_of(6)
    for k in range(6):
        np.testing.assert_allclose(read(knots, float(k), kind), knots[k], atol=1e-12)
    np.testing.assert_array_equal(read(knots, -1.0, kind), knots[0])
    np.testing.assert_array_equal(read(knots, 7.5, kind), knots[-1])


def test_cubic_reproduces_parabolas_inside_and_is_smooth() -> None:
    times = np.arange(7.0)
    knots = (0.5 * times**2 - times + 2)[:, np.newaxis]
    for t in np.linspace(1, 5, 41):
        np.testing.assert_allclose(read(knots, t, Interpolation.CUBIC), 0.5 * t * t - t + 2, atol=1e-12)
    rough, h = knots_of(7), 1e-4
    for k in range(1, 6):
        before = (read(rough, k, Interpolation.CUBIC) - read(rough, k - h, Interpolation.CUBIC)) / h
        after = (read(rough, k + h, Interpolation.CUBIC) - read(rough, k, Interpolation.CUBIC)) / h
        np.testing.assert_allclose(before, after, atol=1e-2)


@pytest.mark.parametrize("kind", [Interpolation.LINEAR, Interpolation.CUBIC])
def test_resampling_a_batch_reads_each_of_it(kind: Interpolation) -> None:
    knots = np.random.default_rng(0).normal(size=(3, 6, 2))
    positions = np.array([0.0, 0.3, 1.0, 2.75, 4.999, 5.0, 9.0])
    resampled = resample(knots, positions, kind)
    for n in range(3):
        for m, position in enumerate(positions):
            np.testing.assert_allclose(resampled[n, m], read(knots[n], position, kind), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_shift_by_whole_periods_moves_knots_and_holds_the_last(kind: Interpolation) -> None:
    spline = Spline(kind, 5, 1.0, 0.01)
    knots = knots_of(5)[np.newaxis]
    shifted = spline.shift(knots, 2 * spline.period_s)
    np.testing.assert_allclose(shifted[0], knots[0, [2, 3, 4, 4, 4]], atol=1e-9)
    np.testing.assert_array_equal(spline.shift(knots, 0.0), knots)


def test_shifted_hold_is_the_mean_of_the_old_signal_over_each_new_interval() -> None:
    spline = Spline(Interpolation.ZERO, 5, 1.0, 0.01)
    knots = knots_of(5)
    signal = np.concatenate([spline.controls(knots[np.newaxis])[0], np.repeat(knots[-1:], 20, axis=0)])
    means = signal[6:106].reshape(5, 20, 2).mean(axis=1)
    np.testing.assert_allclose(spline.shift(knots[np.newaxis], 0.06)[0], means, atol=1e-12)


def test_controls_of_a_hold_are_contiguous() -> None:
    assert Spline(Interpolation.ZERO, 4, 0.2, 0.01).controls(knots_of(4)[np.newaxis]).flags.c_contiguous


@pytest.mark.parametrize(("kind", "num_knots"), [("zero", 0), ("linear", 1), ("cubic", 1), ("zero", 11)])
def test_number_of_knots_must_fit(kind: str, num_knots: int) -> None:
    with pytest.raises(ValueError, match=rf"{num_knots} knots: {kind} interpolation over 10 planning steps"):
        Spline(Interpolation(kind), num_knots, 0.1, 0.01)
