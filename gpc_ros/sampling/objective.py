"""The cost of rolled-out trajectories, its terms' shares, and its residuals.

J = sum_t dt l(x_t, u_t) + phi(x_T), with l and phi the weighted squared residuals of the task.
Letters: D domains, N candidates, T planning steps, M residuals of a trajectory.
A ``goal`` is one for all candidates (ng,), or one for each (N, ng).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from pydantic import ValidationInfo

from gpc_ros.errors import UnknownName
from gpc_ros.sampling.rollout import Trajectories
from gpc_ros.signals import Array
from gpc_ros.tasks.base import Residuals, States, Task

TerminalValue = Callable[[States, Array], tuple[Array, ...]]
"""Residuals (D, N) of ``States`` (D, N) and a goal, whose squares sum to a cost-to-go: a learned terminal cost."""


class Objective:
    """Evaluates a task's cost on batches of trajectories.

    Args:
        task: gives the residuals and the default weights.
        running: weights of running terms that replace the task's, by name.
        terminal: weights of terminal terms that replace the task's, by name.
        terminal_value: takes the place of all of the task's terminal terms.
        goal_gain: the task's residuals are those of the goal times this.

    Raises:
        UnknownName: a weight for a term that the task does not have.
    """

    def __init__(
        self,
        task: Task,
        *,
        running: Mapping[str, float] | None = None,
        terminal: Mapping[str, float] | None = None,
        terminal_value: TerminalValue | None = None,
        goal_gain: float = 1.0,
    ) -> None:
        self._task = task
        self._goal_gain = goal_gain
        self._terminal_value = terminal_value
        self._timestep_s = float(task.model.opt.timestep)
        self._running = _merged("running cost term", task.running_weights, running or {})
        self._terminal = _merged("terminal cost term", task.terminal_weights, terminal or {})
        if terminal_value is not None:
            self._terminal = {"value": 1.0}
        self.terms = (*(f"running_{name}" for name in self._running), *(f"terminal_{name}" for name in self._terminal))
        """Names of the cost's terms, in the order of ``shares``."""

    def shares(self, trajectories: Trajectories, goal: Array) -> Array:
        """What each term adds to each trajectory's cost, shape (terms, D, N)."""
        running, terminal = self._evaluate(trajectories, goal)
        shares = np.zeros((len(self.terms), *trajectories.finite.shape))
        with np.errstate(over="ignore", invalid="ignore"):  # of diverged candidates
            self._sum_up(shares, running, terminal)
        return shares

    def _sum_up(self, shares: Array, running: Residuals, terminal: Residuals) -> None:
        for share, (name, weight) in zip(shares, self._running.items(), strict=False):
            for component in running.get(name, ()) if weight else ():
                share += self._timestep_s * weight * np.einsum("...t,...t->...", component, component)
        for share, (name, weight) in zip(shares[len(self._running) :], self._terminal.items(), strict=True):
            for component in terminal.get(name, ()) if weight else ():
                share += weight * component * component

    def costs(self, trajectories: Trajectories, goal: Array) -> Array:
        """Cost of each trajectory, shape (D, N); infinite where the physics diverged."""
        return total(self.shares(trajectories, goal), trajectories)

    def residuals(self, trajectories: Trajectories, goal: Array) -> Array:
        """Residuals whose squares sum to each trajectory's cost, shape (D, N, M)."""
        running, terminal = self._evaluate(trajectories, goal)
        parts = [
            math.sqrt(self._timestep_s * weight) * component
            for name, weight in self._running.items()
            if weight
            for component in running.get(name, ())
        ]
        parts += [
            math.sqrt(weight) * component[..., np.newaxis]
            for name, weight in self._terminal.items()
            if weight
            for component in terminal.get(name, ())
        ]
        return np.concatenate(parts, axis=-1)

    def _evaluate(self, trajectories: Trajectories, goal: Array) -> tuple[Residuals, Residuals]:
        states, steps = trajectories.states, trajectories.controls.shape[1]
        ctrl = trajectories.controls[np.newaxis]
        if len(states.qpos) > 1:
            ctrl = np.broadcast_to(ctrl, (len(states.qpos), *ctrl.shape[1:]))
        with np.errstate(over="ignore", invalid="ignore"):  # of diverged candidates
            aim = self._goal_gain * goal
            over_time = aim if aim.ndim == 1 else aim[:, np.newaxis]
            running = self._task.running_residuals(_at(states, slice(0, steps)), ctrl, over_time)
            end = _at(states, steps)
            if self._terminal_value is not None:
                return running, {"value": self._terminal_value(end, goal)}
            return running, self._task.terminal_residuals(end, aim)


def not_negative(weights: dict[str, float], info: ValidationInfo) -> dict[str, float]:
    """Validator of weights by name: ``weights`` as they are.

    Raises:
        ValueError: one of them is negative; its square root belongs to the residuals.
    """
    for name, weight in weights.items():
        if weight < 0:
            raise ValueError(f"{info.field_name}.{name} = {weight} must not be negative")
    return weights


def total(shares: Array, trajectories: Trajectories) -> Array:
    """Sum (D, N) of the terms' ``shares`` (terms, D, N); infinite where the physics diverged or the sum overflowed."""
    with np.errstate(over="ignore", invalid="ignore"):
        costs = shares.sum(axis=0)
    costs[~(trajectories.finite & np.isfinite(costs))] = np.inf
    return costs


def _at(states: States, time: slice | int) -> States:
    sensors = None if states.sensors is None else states.sensors[..., time, :]
    return States(states.qpos[..., time, :], states.qvel[..., time, :], sensors)


def _merged(kind: str, defaults: Mapping[str, float], given: Mapping[str, float]) -> dict[str, float]:
    for name in given:
        if name not in defaults:
            raise UnknownName(kind, name, defaults)
    return {**defaults, **given}
