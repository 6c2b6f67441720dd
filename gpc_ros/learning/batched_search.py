"""One replan of ``control.spc`` in each of many environments, with all candidates of all in one batch of rollouts.

Letters: E environments, K knots, N candidates, S policy samples, M nearby states, D domains, T steps, n = K nu
variables, L dampings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpc_ros import registry
from gpc_ros.control.spc import SpcParameters
from gpc_ros.errors import InvalidParameter
from gpc_ros.learning.nearby import Nearby
from gpc_ros.sampling import polish
from gpc_ros.sampling.objective import Objective, TerminalValue
from gpc_ros.sampling.risk import aggregate
from gpc_ros.sampling.rollout import Rollouts, Trajectories
from gpc_ros.sampling.rules.base import Proposal, UpdateRule
from gpc_ros.sampling.spline import Spline
from gpc_ros.sampling.variations import Variations
from gpc_ros.signals import Array
from gpc_ros.tasks.base import Task

_TOLERANCE = 0.01
"""Share of its cost that a plan may lose for the linear model of its step to be good enough for nearby states."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be planned: states ``qpos`` (E, nq), ``qvel`` (E, nv), ``goal`` (E, ng), and where to start from.

    ``nominal`` (E, K, nu) is the plan in force, ``seeds`` (E, S, K, nu) are the policy's samples [actuator units].
    """

    qpos: Array
    qvel: Array
    goal: Array
    nominal: Array
    seeds: Array

    def part(self, rows: slice | NDArray[np.intp]) -> Problem:
        """The environments ``rows``."""
        return Problem(self.qpos[rows], self.qvel[rows], self.goal[rows], self.nominal[rows], self.seeds[rows])


@dataclass(frozen=True, slots=True)
class Beside:
    """States near those asked about, ``qpos`` (E, M, nq) and ``qvel`` (E, M, nv), and ``plans`` (E, M, K, nu) for them.

    The polish's linear model of the residuals holds around the state as well as around the plan: with the effect of the
    initial state in it, its Gauss-Newton step answers for states beside the one at hand, without rolling them out.
    """

    qpos: Array
    qvel: Array
    plans: Array


@dataclass(frozen=True, slots=True)
class Answer:
    """``plans`` (E, K, nu) [actuator units], their ``costs`` (E,), those of the best ``drawn`` and ``seed`` ones (E,).

    Costs are infinite where the physics diverged; ``seed`` is infinite without policy samples.
    """

    plans: Array
    costs: Array
    drawn: Array
    seed: Array
    beside: Beside
    physics_steps: int


class BatchedSearch:
    """What ``sampling.search`` does with one iteration, for a batch of states. Not for two threads at a time.

    Args:
        task: the robot and what it is to do.
        parameters: those of the planner; ``iterations``, ``threads`` and ``budget_s`` are not used.
        nearby: draws the states to answer for as well; None: none are wanted.
        terminal_value: a learned cost-to-go from the end of a plan, in place of the task's terminal cost.

    Attributes:
        spline: how plans become controls.

    Raises:
        InvalidParameter: if knots, horizon and interpolation do not fit.
        UnknownName: a weight for a cost term that the task does not have.
    """

    def __init__(
        self, task: Task, parameters: SpcParameters, nearby: Nearby | None, terminal_value: TerminalValue | None
    ) -> None:
        p = parameters
        self._nearby = nearby
        self._parameters = p
        try:
            self.spline = Spline(p.interpolation, p.knots, p.horizon_s, float(task.model.opt.timestep))
        except ValueError as error:
            raise InvalidParameter(f"spc: {error}") from None
        models = [task.model]
        if p.domains > 1:
            models = [task.randomize(np.random.default_rng([p.seed, d])) for d in range(p.domains)]
        self._rollouts = Rollouts(models, steps=self.spline.steps, sensors=task.needs_sensors)
        self._variations = Variations(self._rollouts, np.repeat(self.spline.begins, task.model.nu))
        self._objective = Objective(
            task,
            running=p.running_weights,
            terminal=p.terminal_weights,
            terminal_value=terminal_value,
            goal_gain=p.goal_gain,
        )
        self._rule: UpdateRule = registry.load("sampling.rules", p.rule, UpdateRule)(p)
        self._low, self._high = task.model.actuator_ctrlrange.T.copy()
        self._middle, self._half = (self._high + self._low) / 2, (self._high - self._low) / 2
        self._dampings = polish.dampings(p.damping)
        self._steps = 0

    def improve(self, problem: Problem, generators: list[np.random.Generator]) -> Answer:
        """One replan of each environment, which draws from the generator of its own."""
        before = self._steps
        proposals = self._proposals(problem)
        drawn = self._draw(proposals, generators)
        candidates = np.concatenate([drawn, problem.seeds], axis=1)
        costs = self._costs(problem, candidates)
        plans, best = self._chosen(problem, proposals, candidates, costs)
        origin, origin_costs = self._origin(problem, plans, best, costs[:, 0])
        model = None
        for left in reversed(range(self._parameters.polish)):
            origin, origin_costs, model = self._polished(problem, origin, origin_costs, last=not left)
        better = origin_costs <= best
        plans = np.where(better[:, np.newaxis, np.newaxis], origin, plans)
        beside = self._beside(problem, plans, better, model, generators)
        seed = costs[:, drawn.shape[1] :].min(axis=1, initial=np.inf)
        return Answer(
            plans,
            np.minimum(origin_costs, best),
            costs[:, : drawn.shape[1]].min(axis=1),
            seed,
            beside,
            self._steps - before,
        )

    def _proposals(self, problem: Problem) -> list[Proposal]:
        std = np.broadcast_to(self._parameters.noise * self._half, problem.nominal.shape[1:])
        bases = problem.seeds.mean(axis=1) if problem.seeds.shape[1] else np.zeros_like(problem.nominal)
        return [Proposal(mean, std, base, self._half) for mean, base in zip(problem.nominal, bases, strict=True)]

    def _draw(self, proposals: list[Proposal], generators: list[np.random.Generator]) -> Array:
        """Random candidates (E, N, K, nu), the nominal first."""
        count, pairs = self._parameters.samples, zip(proposals, generators, strict=True)
        return np.clip([self._rule.sample(each, count, 0, 1, rng) for each, rng in pairs], self._low, self._high)

    def _chosen(
        self, problem: Problem, proposals: list[Proposal], candidates: Array, costs: Array
    ) -> tuple[Array, Array]:
        """The rule's mean, or the best candidate where that is cheaper and the best is to be kept."""
        index = costs.argmin(axis=1)
        rows = np.arange(len(costs))
        best, best_costs = candidates[rows, index], costs[rows, index]
        means = np.stack([self._mean(*row) for row in zip(proposals, candidates, costs, strict=True)])
        new = np.flatnonzero((means != best).any(axis=(1, 2)))  # none with predictive sampling
        mean_costs = best_costs.copy()
        if len(new):
            mean_costs[new] = self._costs(problem.part(new), means[new, np.newaxis])[:, 0]
        keep = ~np.isfinite(mean_costs) | (self._parameters.keep_best & (best_costs <= mean_costs))
        return np.where(keep[:, np.newaxis, np.newaxis], best, means), np.where(keep, best_costs, mean_costs)

    def _mean(self, proposal: Proposal, candidates: Array, costs: Array) -> Array:
        finite = np.isfinite(costs)
        if not finite.any():
            return proposal.mean
        weights = self._rule.weights(proposal, candidates[finite], costs[finite])
        return self._rule.update(proposal, candidates[finite], weights).mean

    def _origin(self, problem: Problem, plans: Array, costs: Array, nominal_costs: Array) -> tuple[Array, Array]:
        """Where to polish from: the plan in force, unless another is cheaper by the margin (as ``Search``)."""
        p = self._parameters
        other = np.less_equal(costs, (1.0 - p.margin) * nominal_costs)
        if not p.keep_best:
            other[:] = True
        return np.where(other[:, np.newaxis, np.newaxis], plans, problem.nominal), np.where(other, costs, nominal_costs)

    def _polished(self, problem: Problem, plans: Array, costs: Array, *, last: bool) -> tuple[Array, Array, _Linear]:
        """One Gauss-Newton step; of the ``last`` the linear model holds around the state as well."""
        points = ((plans - self._middle) / self._half).reshape(len(plans), -1)
        model = self._linearized(problem, points, plans.shape[1:], self._nearby if last else None)
        steps = polish.steps(points, model.residuals, model.by_plan, dampings=self._dampings)
        tried = self._knots(steps, plans.shape[1:])
        tried_costs = np.where(model.fine[:, np.newaxis], self._costs(problem, tried), np.inf)
        index, rows = tried_costs.argmin(axis=1), np.arange(len(plans))
        better = np.less(tried_costs[rows, index], costs)
        # the least factor that does no harm: at an optimum any does, but a large one leaves out the feedback
        harmless = tried_costs <= (1.0 + _TOLERANCE) * np.minimum(tried_costs[rows, index], costs)[:, np.newaxis]
        model.damping[:] = self._dampings[np.where(harmless.any(axis=1), harmless.argmax(axis=1), -1)]
        return (
            np.where(better[:, np.newaxis, np.newaxis], tried[rows, index], plans),
            np.where(better, tried_costs[rows, index], costs),
            model,
        )

    def _linearized(self, problem: Problem, points: Array, shape: tuple[int, ...], nearby: Nearby | None) -> _Linear:
        """The residuals at ``points`` (E, n) and their derivatives by the plan and, with ``nearby``, by the state."""
        around, moves = polish.perturbations(points, self._parameters.perturbation)
        knots = self._knots(np.concatenate([points[:, np.newaxis], around], axis=1), shape)
        residuals = self._residuals(*self._vary(problem, knots), len(points))
        if nearby is None:
            beside = residuals[:, :0]
        else:
            states = nearby.perturbed(problem.qpos, problem.qvel)
            plans = np.repeat(knots[:, :1], len(nearby.spread), axis=1)
            beside = self._residuals(*self._roll(*states, problem.goal, plans), len(points))
        fine = np.isfinite(np.concatenate([residuals, beside], axis=1)).all(axis=(1, 2))
        residuals[~fine], beside[~fine] = 0.0, 0.0  # no step from there
        by_plan = polish.jacobian(residuals[:, 0], residuals[:, 1:], moves)
        by_state = np.swapaxes(beside - residuals[:, :1], 1, 2)
        return _Linear(points, residuals[:, 0], by_plan, by_state, fine, np.zeros(len(points)))

    def _beside(
        self,
        problem: Problem,
        plans: Array,
        polished: NDArray[np.bool_],
        model: _Linear | None,
        generators: list[np.random.Generator],
    ) -> Beside:
        """Where the polish gave the plan, plans for nearby states; elsewhere the state and its plan again."""
        if self._nearby is None or model is None:
            none = (len(plans), 0)
            return Beside(*(np.empty((*none, *v.shape[1:])) for v in (problem.qpos, problem.qvel, plans)))
        moves = self._nearby.draw(generators) * (model.fine & polished)[:, np.newaxis, np.newaxis]
        qpos, qvel = self._nearby.moved(problem.qpos, problem.qvel, moves)
        residuals = model.residuals[:, np.newaxis] + moves / self._nearby.step @ np.swapaxes(model.by_state, 1, 2)
        count = moves.shape[1]
        points = polish.steps(
            np.repeat(model.points[:, np.newaxis], count, axis=1),
            residuals,
            np.repeat(model.by_plan[:, np.newaxis], count, axis=1),
            dampings=model.damping[:, np.newaxis, np.newaxis],
        )[:, :, 0]
        answers = self._knots(points, plans.shape[1:])
        known = (model.fine & polished)[:, np.newaxis, np.newaxis, np.newaxis]
        return Beside(qpos, qvel, np.where(known, answers, plans[:, np.newaxis]))

    def _costs(self, problem: Problem, knots: Array) -> Array:
        """Costs (E, N) of ``knots`` (E, N, K, nu)."""
        count, p = knots.shape[1], self._parameters
        qpos, qvel = (np.repeat(value[:, np.newaxis], count, axis=1) for value in (problem.qpos, problem.qvel))
        trajectories, goal = self._roll(qpos, qvel, problem.goal, knots)
        return aggregate(self._objective.costs(trajectories, goal), p.risk, beta=p.risk_beta).reshape(knots.shape[:2])

    def _residuals(self, trajectories: Trajectories, goal: Array, environments: int) -> Array:
        """Residuals (E, N, D M) of trajectories (D, E N); nan where the physics diverged."""
        residuals = self._objective.residuals(trajectories, goal) / np.sqrt(len(trajectories.finite))
        residuals[~trajectories.finite] = np.nan
        return np.swapaxes(residuals, 0, 1).reshape(environments, trajectories.finite.shape[1] // environments, -1)

    def _roll(self, qpos: Array, qvel: Array, goal: Array, knots: Array) -> tuple[Trajectories, Array]:
        """Trajectories of ``knots`` (E, N, K, nu) from states (E, N), and the goal of each."""
        controls = self._controls(knots)
        self._steps += controls.shape[0] * controls.shape[1] * self.spline.steps * len(self._rollouts.models)
        rolled = self._rollouts.roll(_flat(qpos), _flat(qvel), controls.reshape(-1, *controls.shape[2:]))
        return rolled, np.repeat(goal, knots.shape[1], axis=0)

    def _vary(self, problem: Problem, knots: Array) -> tuple[Trajectories, Array]:
        """The same of ``knots`` (E, 1 + n, K, nu), a plan of each environment and, one by one, its variables moved."""
        self._steps += len(knots) * self._variations.steps * len(self._rollouts.models)
        rolled = self._variations.roll(problem.qpos, problem.qvel, self._controls(knots))
        return rolled, np.repeat(problem.goal, knots.shape[1], axis=0)

    def _controls(self, knots: Array) -> Array:
        """Controls (E, N, T, nu) of ``knots`` (E, N, K, nu)."""
        controls = self.spline.controls(knots)
        return np.clip(controls, self._low, self._high) if self.spline.overshoots else controls

    def _knots(self, points: Array, shape: tuple[int, ...]) -> Array:
        knots = self._middle + self._half * points.reshape(*points.shape[:2], *shape)
        return np.clip(knots, self._low, self._high)  # against rounding


@dataclass(frozen=True, slots=True)
class _Linear:
    """Residuals (E, M) at ``points`` (E, n), their derivatives ``by_plan`` (E, M, n) and differences ``by_state``.

    ``fine`` (E,) tells where all of them are finite, ``damping`` (E,) the Levenberg factor to use with them.
    """

    points: Array
    residuals: Array
    by_plan: Array
    by_state: Array
    fine: NDArray[np.bool_]
    damping: Array


def _flat(values: Array) -> Array:
    return values.reshape(-1, values.shape[-1])
