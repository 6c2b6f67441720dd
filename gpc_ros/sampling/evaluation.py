"""What candidate plans cost from one state: spline, rollouts in every domain, objective and risk in one.

Letters: K knots, N candidates, D domains, T planning steps, M residuals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpc_ros.sampling import polish
from gpc_ros.sampling.objective import Objective, total
from gpc_ros.sampling.risk import Risk, aggregate
from gpc_ros.sampling.rollout import Rollouts, Trajectories
from gpc_ros.sampling.spline import Spline
from gpc_ros.signals import Array


@dataclass(frozen=True, slots=True)
class Costs:
    """``values`` (N,), infinite where the physics diverged, and the terms' ``shares`` (terms, N), mean over domains."""

    values: Array
    shares: Array


class Evaluator:
    """Evaluates knots (N, K, nu) [actuator units] from one state and towards one goal at a time."""

    def __init__(self, spline: Spline, rollouts: Rollouts, objective: Objective, risk: Risk, beta: float) -> None:
        self.spline = spline
        self.objective = objective
        self.rolled = 0
        """Rollouts done since ``begin``, each in each domain."""
        self._rollouts = rollouts
        self._risk = risk
        self._beta = beta
        self._low, self._high = rollouts.models[0].actuator_ctrlrange.T.copy()
        self._middle, self._half = (self._high + self._low) / 2, (self._high - self._low) / 2

    @property
    def half_range(self) -> Array:
        """Half the ctrlrange (nu,) [actuator units]."""
        return self._half

    def begin(self, qpos: Array, qvel: Array, goal: Array) -> None:
        """Set the state (nq,), (nv,) from which to roll out, and the goal (ng,)."""
        self._qpos, self._qvel, self._goal = qpos, qvel, goal
        self.rolled = 0

    def clip(self, knots: Array) -> Array:
        """``knots`` inside the ctrlrange."""
        return np.clip(knots, self._low, self._high)

    def costs(self, knots: Array) -> Costs:
        """What ``knots`` (N, K, nu), which are inside the ctrlrange, cost."""
        trajectories = self._roll(knots)
        shares = self.objective.shares(trajectories, self._goal)
        values = aggregate(total(shares, trajectories), self._risk, beta=self._beta)
        return Costs(values, shares.mean(axis=1) if shares.shape[1] > 1 else shares[:, 0])

    def polished(self, knots: Array, perturbation: float, damping: float) -> tuple[Array, Costs]:
        """One Gauss-Newton step from ``knots`` (K, nu): the points tried (L, K, nu) and what they cost.

        The derivatives are differences over ``perturbation`` [half ctrlranges], ``damping`` is the least factor. The
        steps are those of the mean cost over domains; which of them is best is left to the risk measure.
        """
        point = ((knots - self._middle) / self._half).ravel()
        beside, moves = polish.perturbations(point, perturbation)
        residuals = self._residuals(self._knots(np.vstack([point, beside]), knots.shape))
        if not np.isfinite(residuals).all():
            return knots[np.newaxis], self.costs(knots[np.newaxis])
        jacobian = polish.jacobian(residuals[0], residuals[1:], moves)
        steps = polish.steps(point, residuals[0], jacobian, dampings=polish.dampings(damping))
        tried = self.clip(self._knots(steps, knots.shape))
        return tried, self.costs(tried)

    def _residuals(self, knots: Array) -> Array:
        """Residuals (N, D M) whose squares sum to the mean cost over domains."""
        trajectories = self._roll(knots)
        residuals = self.objective.residuals(trajectories, self._goal) / np.sqrt(len(trajectories.finite))
        residuals[~trajectories.finite] = np.nan
        return np.swapaxes(residuals, 0, 1).reshape(len(knots), -1)

    def _roll(self, knots: Array) -> Trajectories:
        self.rolled += len(knots)
        controls = self.spline.controls(knots)
        if self.spline.overshoots:
            controls = self.clip(controls)
        return self._rollouts.roll(self._qpos, self._qvel, controls)

    def _knots(self, points: Array, shape: tuple[int, ...]) -> Array:
        return self._middle + self._half * points.reshape(-1, *shape)
