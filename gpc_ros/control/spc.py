"""Sampling-based predictive control: sample plans, roll them out, move the mean, polish (arXiv 2502.13406, eq. 3 to 5).

Letters: K knots, N candidates, S seeds, D domains, nu actuators.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import field_validator

from gpc_ros import actuators, registry
from gpc_ros.config import parameter
from gpc_ros.control.base import Planner
from gpc_ros.control.plan_log import Recorder
from gpc_ros.control.previous import Grid, seen_from, warm_start
from gpc_ros.errors import InvalidParameter, InvalidSignal
from gpc_ros.sampling.evaluation import Evaluator
from gpc_ros.sampling.objective import Objective, not_negative
from gpc_ros.sampling.risk import Risk
from gpc_ros.sampling.rollout import Rollouts
from gpc_ros.sampling.rules.base import UpdateRule
from gpc_ros.sampling.search import Search, SearchParameters
from gpc_ros.sampling.spline import Interpolation, Spline
from gpc_ros.signals import NS_PER_S, Array, Estimate, Plan, Samples
from gpc_ros.tasks.base import States, Task


class SpcParameters(SearchParameters):
    """Settings of sampling-based predictive control; those of the search and of the update rules are inherited."""

    horizon_s: float = parameter(1.0, "length of a plan", unit="s", gt=0, le=10)
    knots: int = parameter(10, "knots of a plan", ge=1, le=200)
    interpolation: Interpolation = parameter(Interpolation.LINEAR, "controls between knots: zero, linear or cubic")
    shift: bool = parameter(True, "move the last plan in time to warm-start the next")
    plan_rate_hz: float = parameter(50.0, "replans per second", unit="Hz", gt=0, le=1000)
    budget_s: float = parameter(0.0, "time after which the best plan so far is taken; 0: no limit", unit="s", ge=0)
    domains: int = parameter(1, "randomized models that every candidate is tried in; 1: the nominal one", ge=1, le=64)
    risk: Risk = parameter(Risk.MEAN, "one cost from those of the domains: mean, worst_case or cvar")
    risk_beta: float = parameter(0.25, "beta of eq. 39: 0 is the mean, 1 the worst case", ge=0, le=1)
    threads: int = parameter(1, "threads for the rollouts; 0 and 1: the planner's own", ge=0, le=256)
    seed: int = parameter(0, "of the random stream", ge=0)
    record: str = parameter("", "folder to keep replans in, for gpc train --from-log; empty: none", read_only=True)
    running_weights: dict[str, float] = parameter({}, "weights of running cost terms in place of the task's")
    terminal_weights: dict[str, float] = parameter({}, "weights of terminal cost terms in place of the task's")
    goal_gain: float = parameter(
        1.0,
        "plan for the goal times this: above 1 where a robot weighs effort against its goal, and walks too slowly",
        gt=0,
        le=10,
    )

    _weights = field_validator("running_weights", "terminal_weights")(not_negative)


class Spc(Planner):
    """Sampling-based predictive control on a task, with any update rule.

    One replan: shift the last plan in time, draw candidates around it, append the seeds, roll all of them out in
    every domain, let the rule move the mean, repeat ``iterations`` times, then polish by Gauss-Newton.

    With ``keep_best`` the plan is the cheapest of all that was rolled out, the shifted last plan included: its
    predicted cost never exceeds the nominal's, whatever the rule. Without it, this holds for predictive sampling
    alone: the mean of an averaging rule was not itself a candidate and may cost more than the nominal (its cost is
    predicted all the same), but its average takes sampling noise out of the command. With a polish, keeping the
    best is better in closed loop, for the polish removes that noise; without one and for plants that answer to
    jitter, average.

    Equal estimate, previous plan, seeds, goal and parameters give a bit-identical plan, whatever the number of
    threads, as long as time does not run out.

    Args:
        task: the robot and what it is to do.
        parameters: replaced as a whole by ``configure``.

    Raises:
        InvalidParameter: if knots, horizon and interpolation do not fit.
        UnknownName: a weight for a cost term that the task does not have.
    """

    def __init__(self, task: Task, parameters: SpcParameters | None = None) -> None:
        self._task = task
        self._goal = np.array(task.goal, dtype=float)
        self._setup = _Setup.build(task, parameters or SpcParameters())
        folder = self._setup.parameters.record
        self._recorder = Recorder(Path(folder), task.name) if folder else None
        self._tried: tuple[Samples, Array] | None = None

    @property
    def parameters(self) -> SpcParameters:
        """The settings in force."""
        return self._setup.parameters

    def configure(self, parameters: SpcParameters) -> None:
        """Use ``parameters`` from the next replan on; on an error the old ones stay. Raises as the constructor does."""
        self._setup = _Setup.build(self._task, parameters, self._setup)

    def set_goal(self, goal: Array) -> None:
        """Take a goal (ng,), in the units of ``Task.goal``.

        Raises:
            InvalidSignal: if it has the wrong size or is not finite.
        """
        goal = np.array(goal, dtype=float)
        if goal.shape != self._goal.shape:
            raise InvalidSignal("size", f"goal of {self._task.name} has shape {goal.shape}, not {self._goal.shape}")
        if not np.isfinite(goal).all():
            raise InvalidSignal("nonfinite", f"goal of {self._task.name} is not finite: {goal}")
        self._goal = goal

    @classmethod
    def make(cls, task: Task, parameters: Mapping[str, Any]) -> Spc:
        """With the parameters of the node ``spc``."""
        return cls(task, parameters["spc"])

    def seeds(self, samples: Samples, start_ns: int) -> Array:
        """``samples`` as seeds (S, K, nu) of a plan that begins at ``start_ns``: moved in time, on its knots."""
        return seen_from(start_ns, samples, self._setup.grid)

    def plan(
        self,
        estimate: Estimate,
        previous: Plan | None = None,
        seeds: Array | None = None,
        *,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> Plan | None:
        """Plan from ``estimate`` onwards, as ``Planner.plan`` says.

        A previous plan of another epoch, or that has ended, is not used; neither are seeds that are not finite.

        Raises:
            InvalidSignal: seeds of another shape than (S, K, nu).
        """
        setup, began_s = self._setup, time.perf_counter()
        if not (np.isfinite(estimate.qpos).all() and np.isfinite(estimate.qvel).all()):
            return None
        budget_s = setup.parameters.budget_s

        def stop() -> bool:
            return out_of_time() or (budget_s > 0 and time.perf_counter() - began_s > budget_s)

        nominal, seeds = setup.nominal(estimate, previous), setup.checked(seeds)
        setup.evaluator.begin(estimate.qpos, estimate.qvel, self._goal)
        search = Search(setup.parameters, setup.evaluator, setup.rule, setup.random(estimate.stamp_ns), stop)
        found = search.run(nominal, seeds)
        if found is None and previous is not None:
            found = search.run(setup.nominal(estimate, None), seeds)
        if found is None:
            return None
        self._tried = setup.samples(estimate, search.tried[0]), search.tried[1]
        if self._recorder is not None:
            observation = self._task.observe(States(estimate.qpos, estimate.qvel), self._goal)
            self._recorder.add(observation, nominal, found.knots, setup.grid)
        return Plan(
            stamp_ns=estimate.stamp_ns,
            start_ns=estimate.stamp_ns,
            period_ns=setup.evaluator.spline.period_ns,
            knots=found.knots,
            interpolation=setup.parameters.interpolation,
            planner="spc",
            cost=found.cost,
            epoch=estimate.epoch,
            info={**search.figures(found), "time_s": time.perf_counter() - began_s},
        )

    def candidates(self, count: int) -> tuple[Samples, Array] | None:
        """At most ``count`` candidates of the newest replan and their costs, spread from the cheapest to the dearest.

        Of several iterations those of the last one; without those from which the physics diverged. None before
        the first plan. May be called from any thread.
        """
        if (tried := self._tried) is None:
            return None
        samples, costs = tried
        ranked = np.argsort(costs, kind="stable")[: np.isfinite(costs).sum()]
        chosen = ranked[np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().astype(int)]
        return replace(samples, knots=samples.knots[chosen]), costs[chosen]

    def close(self) -> None:
        """Write what was recorded and is not on disk yet."""
        if self._recorder is not None:
            self._recorder.flush()


@dataclass(frozen=True, slots=True)
class _Setup:
    """Everything made from one set of parameters; replaced as a whole."""

    task: Task
    parameters: SpcParameters
    rollouts: Rollouts
    evaluator: Evaluator
    rule: UpdateRule

    @staticmethod
    def build(task: Task, parameters: SpcParameters, old: _Setup | None = None) -> _Setup:
        p = parameters
        try:
            spline = Spline(p.interpolation, p.knots, p.horizon_s, float(task.model.opt.timestep))
        except ValueError as error:
            raise InvalidParameter(f"spc: {error}") from None
        objective = Objective(task, running=p.running_weights, terminal=p.terminal_weights, goal_gain=p.goal_gain)
        rollouts = _rollouts(task, p, spline.steps, old)
        rule = registry.load("sampling.rules", p.rule, UpdateRule)(p)
        return _Setup(task, p, rollouts, Evaluator(spline, rollouts, objective, p.risk, p.risk_beta), rule)

    @property
    def grid(self) -> Grid:
        """Where the knots of its plans stand."""
        return Grid(self.parameters.knots, self.evaluator.spline.period_ns, self.parameters.interpolation)

    def random(self, stamp_ns: int) -> np.random.Generator:
        """The random stream of the replan at ``stamp_ns``: a lost one does not shift those that follow."""
        tick = stamp_ns // round(NS_PER_S / self.parameters.plan_rate_hz)
        return np.random.default_rng([self.parameters.seed, max(tick, 0)])

    def samples(self, estimate: Estimate, knots: Array) -> Samples:
        """``knots`` (N, K, nu) as plans from ``estimate`` on."""
        grid = self.grid
        return Samples(estimate.stamp_ns, grid.period_ns, knots, grid.interpolation, estimate.epoch)

    def nominal(self, estimate: Estimate, previous: Plan | None) -> Array:
        """The warm start (K, nu): ``previous`` as seen from the estimate's stamp, or what moves nothing by itself."""
        grid, nu = self.grid, len(self.evaluator.half_range)
        knots = warm_start(previous, estimate, grid, nu, shift=self.parameters.shift)
        if knots is None:
            knots = np.tile(actuators.rest(self.task.model, estimate.qpos), (grid.count, 1))
        return self.evaluator.clip(knots)

    def checked(self, seeds: Array | None) -> Array:
        """The finite ones of ``seeds``, inside the ctrlrange."""
        shape = (self.parameters.knots, len(self.evaluator.half_range))
        if seeds is None:
            return np.empty((0, *shape))
        if seeds.shape[1:] != shape:
            raise InvalidSignal("size", f"seeds have shape {seeds.shape}, spc plans with (S, {shape[0]}, {shape[1]})")
        return self.evaluator.clip(seeds[np.isfinite(seeds).all(axis=(1, 2))])


def _rollouts(task: Task, parameters: SpcParameters, steps: int, old: _Setup | None) -> Rollouts:
    """The rollouts of ``old`` if they would be the same, as their threads and models take time to make."""
    decisive = {"domains", "seed", "threads"}
    wanted = parameters.model_dump(include=decisive)
    if old and old.rollouts.steps == steps and old.parameters.model_dump(include=decisive) == wanted:
        return old.rollouts
    models = [task.model]
    if parameters.domains > 1:
        models = [task.randomize(np.random.default_rng([parameters.seed, d])) for d in range(parameters.domains)]
    return Rollouts(models, steps=steps, threads=parameters.threads, sensors=task.needs_sensors)
