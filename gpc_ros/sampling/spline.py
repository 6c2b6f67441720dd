"""From a few knots to a control at every instant: zero-order hold, linear, cubic.

Letters: K knots, T planning steps, N any leading batch shape, nu actuators. Knot k stands k periods after the start.
The cubic is the Catmull-Rom spline: it passes through the knots with slopes (u_{k+1} - u_{k-1}) / 2 per period
(one-sided at the ends). Each value depends on four knots only, so it is quick to read, and being linear in the
knots it is one matrix for a whole batch. It can overshoot its knots: clip what comes out.
"""

from __future__ import annotations

import enum
import math
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
F = TypeVar("F", float, Array)

_ROUNDING = 1e-6
"""Positions this little [knot periods] before a knot are on it: stamps and periods are rounded to nanoseconds."""


class Interpolation(enum.StrEnum):
    """How controls between knots are made."""

    ZERO = "zero"
    LINEAR = "linear"
    CUBIC = "cubic"


def read(knots: Array, position: float, interpolation: Interpolation) -> Array:
    """Control (nu,) at one instant.

    Args:
        knots: (K, nu) [actuator units].
        position: instant [knot periods from the first knot]; held at the first and the last knot outside.
        interpolation: the kind of spline.
    """
    last = len(knots) - 1
    position = min(max(position, 0.0), float(last))
    first = math.floor(position + _ROUNDING)
    if interpolation is Interpolation.ZERO or first == last:
        return knots[first].copy()
    s = position - first
    if interpolation is Interpolation.LINEAR:
        return (1.0 - s) * knots[first] + s * knots[first + 1]
    before, after = max(first - 1, 0), min(first + 2, last)
    h_start, h_end, h_slope_start, h_slope_end = _hermite(s)
    slope_start = (knots[first + 1] - knots[before]) / (first + 1 - before)
    slope_end = (knots[after] - knots[first]) / (after - first)
    return h_start * knots[first] + h_end * knots[first + 1] + h_slope_start * slope_start + h_slope_end * slope_end


def resample(knots: Array, positions: Array, interpolation: Interpolation) -> Array:
    """Knots (..., M, nu) at ``positions`` (M,) [periods of the old ``knots`` (..., K, nu)]; the ends are held.

    Steps are averaged, not sampled: the new value of a shifted hold is the old signal's mean over the new interval.
    (Sampling would never move a plan that is replaced several times within one period.)
    """
    last = knots.shape[-2] - 1
    positions = np.clip(positions, 0.0, last)
    first = np.floor(positions + _ROUNDING).astype(np.intp)
    after = np.minimum(first + 1, last)
    s = (positions - first)[:, np.newaxis]
    start, end = knots[..., first, :], knots[..., after, :]
    if interpolation is not Interpolation.CUBIC:
        return start + s * (end - start)
    before, beyond = np.maximum(first - 1, 0), np.minimum(first + 2, last)
    h_start, h_end, h_slope_start, h_slope_end = _hermite(s)
    slope_start = (end - knots[..., before, :]) / np.maximum(after - before, 1)[:, np.newaxis]
    slope_end = (knots[..., beyond, :] - start) / np.maximum(beyond - first, 1)[:, np.newaxis]
    return h_start * start + h_end * end + h_slope_start * slope_start + h_slope_end * slope_end


class Spline:
    """Knots spread over a horizon, read at every planning step.

    Args:
        kind: the interpolation.
        num_knots: K; at least 1 for zero-order hold, else 2; at most T.
        horizon_s: length of the plan [s], rounded to whole steps.
        timestep_s: planning step [s].

    Raises:
        ValueError: if the number of knots does not fit the kind or the horizon.
    """

    def __init__(self, kind: Interpolation, num_knots: int, horizon_s: float, timestep_s: float) -> None:
        self.kind = Interpolation(kind)
        self.num_knots = num_knots
        self.timestep_s = timestep_s
        self.steps = round(horizon_s / timestep_s)
        least = 1 if self.kind is Interpolation.ZERO else 2
        if not least <= num_knots <= self.steps:
            raise ValueError(
                f"{num_knots} knots: {self.kind} interpolation over {self.steps} planning steps "
                f"takes from {least} to {self.steps}"
            )

    @property
    def horizon_s(self) -> float:
        """Length of the plan [s]."""
        return self.steps * self.timestep_s

    @property
    def period_s(self) -> float:
        """Time between knots [s]: K intervals with zero-order hold, else K - 1."""
        return self.horizon_s / (self.num_knots - (self.kind is not Interpolation.ZERO))

    @property
    def period_ns(self) -> int:
        """Time between knots [ns]."""
        return round(self.period_s * 1e9)

    @property
    def overshoots(self) -> bool:
        """Whether controls can leave the range of the knots."""
        return self.kind is Interpolation.CUBIC

    @cached_property
    def _held(self) -> NDArray[np.intp]:
        return np.arange(self.steps) * self.num_knots // self.steps  # whole numbers: no rounding picks a wrong knot

    @cached_property
    def _basis(self) -> Array:
        return resample(np.eye(self.num_knots), np.arange(self.steps) * (self.num_knots - 1) / self.steps, self.kind)

    @cached_property
    def begins(self) -> NDArray[np.intp]:
        """The first planning step whose control each knot takes part in, (K,)."""
        return self.controls(np.eye(self.num_knots)).astype(bool).argmax(axis=0)

    def controls(self, knots: Array) -> Array:
        """Controls (N, T, nu) at the start of every planning step, from ``knots`` (N, K, nu); contiguous."""
        if self.kind is Interpolation.ZERO:
            return np.take(knots, self._held, axis=-2)
        return np.matmul(self._basis, knots)

    def shift(self, knots: Array, elapsed_s: float) -> Array:
        """Knots (N, K, nu) of the same plan as seen ``elapsed_s`` [s] later; what was its last value is held."""
        return resample(knots, elapsed_s / self.period_s + np.arange(float(self.num_knots)), self.kind)


def _hermite(s: F) -> tuple[F, F, F, F]:
    """Weights of the two values and the two slopes at the ends of an interval, at ``s`` in [0, 1]."""
    s2, s3 = s * s, s * s * s
    return 2 * s3 - 3 * s2 + 1, 3 * s2 - 2 * s3, s3 - 2 * s2 + s, s3 - s2
