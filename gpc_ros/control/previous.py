"""The plan in force, from which the next one goes on: when it is of use, and what it says from a later moment on.

Letters: S samples, K knots of the old plan, M knots of the new one, nu actuators.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gpc_ros.sampling.spline import Interpolation, resample
from gpc_ros.signals import Array, Estimate, Plan, Samples

EARLY_NS = 50_000_000
"""So much before its time a plan may be read: it is made for when it is expected to be ready, and may be before."""
KEPT = 8
"""Plans of each planner that are remembered: as many as a reader in lock-step may be behind by."""


def usable(plan: Plan | None, estimate: Estimate) -> bool:
    """Whether ``plan`` says something finite at the estimate's stamp, in its epoch."""
    return (
        plan is not None
        and plan.epoch == estimate.epoch
        and plan.start_ns - EARLY_NS <= estimate.stamp_ns < plan.end_ns
        and bool(np.isfinite(plan.knots).all())
    )


def unfit(samples: Samples, estimate: Estimate, age_ns: int) -> str:
    """Why ``samples`` are no seeds for a plan from ``estimate``, as at an age beyond ``age_ns``; empty if they are."""
    if samples.epoch != estimate.epoch:
        return "other epoch"
    return "stale" if abs(estimate.stamp_ns - samples.stamp_ns) > age_ns else ""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the knots of a plan stand: ``count`` of them, ``period_ns`` apart."""

    count: int
    period_ns: int
    interpolation: Interpolation


def seen_from(start_ns: int, plan: Plan | Samples, grid: Grid) -> Array:
    """Knots (..., M, nu) on ``grid`` of the controls in ``plan`` as seen from ``start_ns`` on; ends held."""
    old = Grid(plan.knots.shape[-2], plan.period_ns, plan.interpolation)
    return converted(plan.knots, old, grid, elapsed_ns=start_ns - plan.start_ns)


def converted(knots: Array, old: Grid, new: Grid, *, elapsed_ns: int = 0) -> Array:
    """``knots`` (..., K, nu) on the grid ``old`` as knots (..., M, nu) on ``new``, which begins ``elapsed_ns`` later.

    A held control is averaged around each new knot (over its interval, if that is held too), others are read there.
    """
    return np.matmul(_weights(old, new, elapsed_ns), knots)


@lru_cache(maxsize=256)
def _weights(old: Grid, new: Grid, elapsed_ns: int) -> Array:
    """What ``converted`` does, as a matrix (M, K): in a loop it is the same at every tick."""
    values, width = np.eye(old.count), new.period_ns / old.period_ns
    ahead = 0.5 if new.interpolation is Interpolation.ZERO else 0.0
    middles = np.asarray(elapsed_ns / old.period_ns + (np.arange(new.count) + ahead) * width, dtype=np.float64)
    if old.interpolation is not Interpolation.ZERO:
        return resample(values, middles, old.interpolation)
    first, last = (_integral(values, middles + side * width / 2) for side in (-1, 1))
    return (last - first) / width


def _integral(values: Array, positions: Array) -> Array:
    """Integral from 0 to each of ``positions`` (M,) of ``values`` (K, nu), each held for 1, the ends for ever."""
    sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    index = np.clip(np.floor(positions).astype(np.intp), 0, len(values) - 1)
    return sums[index] + (positions - index)[:, np.newaxis] * values[index]


def warm_start(
    previous: Plan | None, estimate: Estimate, grid: Grid, actuators: int, *, shift: bool = True
) -> Array | None:
    """Knots (M, nu) on ``grid`` that go on where ``previous`` is at the estimate's stamp.

    Without ``shift`` they begin where it began; None if it is of no use.
    """
    if previous is None or previous.knots.shape[1] != actuators or not usable(previous, estimate):
        return None
    return seen_from(estimate.stamp_ns if shift else previous.start_ns, previous, grid)


class Previous:
    """The latest plans of each planner: it goes on from its own last one, one that is new from that in force.

    Several of each are kept, for how many made at this very tick and after it have come already is chance.
    """

    def __init__(self) -> None:
        self._plans: dict[str, deque[Plan]] = {}
        self._wanted: set[str] = set()

    def add(self, plan: Plan) -> None:
        """Note the latest plan of its planner."""
        self._plans.setdefault(plan.planner, deque(maxlen=KEPT)).append(plan)

    def want(self, wanted: Collection[str]) -> None:
        """The planners that plan from now on: one that comes back forgets its own, and begins with the plan in force.

        Not when it is dropped: it may be at a last plan then.
        """
        for name in set(wanted) - self._wanted:
            self._plans.pop(name, None)
        self._wanted = set(wanted)

    def of(self, planner: str, estimate: Estimate) -> Plan | None:
        """The plan that ``planner`` goes on from at ``estimate``: its own, else the newest of another made before."""
        own = self._plans.get(planner)
        if own and usable(own[-1], estimate):
            return own[-1]
        plans = [plan for found in self._plans.values() for plan in found]
        others = [plan for plan in plans if plan.stamp_ns < estimate.stamp_ns and usable(plan, estimate)]
        return max(others, key=lambda plan: plan.stamp_ns, default=None)

    def newest(self, planner: str, estimate: Estimate) -> Plan | None:
        """The last plan of ``planner`` that says something at ``estimate``: what the robot does while it drives."""
        plans = [plan for plan in self._plans.get(planner, ()) if usable(plan, estimate)]
        return plans[-1] if plans else None
