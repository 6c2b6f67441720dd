"""Rolls out plans that are varied in one knot each, every one only from where it begins to differ.

Half of what differences over the knots would roll out is the same trajectory again and again.

Letters: E environments, V variations, D domains, T planning steps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpc_ros.sampling.rollout import Rollouts, Trajectories
from gpc_ros.signals import Array
from gpc_ros.tasks.base import States


class Variations:
    """Rolls out a plan and ``V`` variations of it, in each of many environments.

    Args:
        rollouts: for the whole plan.
        begins: (V,) the planning step from which the controls of each variation differ from the plan's.

    Attributes:
        steps: planning steps taken for one environment, in each domain.
    """

    def __init__(self, rollouts: Rollouts, begins: NDArray[np.intp]) -> None:
        self._rollouts = rollouts
        self._tails = [
            (int(begin), 1 + np.flatnonzero(begins == begin), rollouts.shorter(rollouts.steps - int(begin)))
            for begin in np.unique(begins)
        ]
        self.steps = rollouts.steps + int((rollouts.steps - begins).sum())

    def roll(self, qpos: Array, qvel: Array, controls: Array) -> Trajectories:
        """Roll out ``controls`` (E, 1 + V, T, nu), the plan's first, from ``qpos`` (E, nq) and ``qvel`` (E, nv).

        Returns:
            Trajectories of E (1 + V) candidates, in the order of ``controls``. A variation of a plan whose physics
            diverged counts as diverged.
        """
        plan = self._rollouts.roll(qpos, qvel, controls[:, 0])
        rows, states = controls.shape[1], plan.states
        positions, velocities = _repeated(states.qpos, rows), _repeated(states.qvel, rows)
        sensors = None if states.sensors is None else _repeated(states.sensors, rows)
        finite = np.repeat(plan.finite[..., np.newaxis], rows, axis=2)
        for begin, which, rollouts in self._tails:
            start_qpos, start_qvel = (np.repeat(v[:, :, 0, begin], len(which), axis=1) for v in (positions, velocities))
            rest = controls[:, which, begin:].reshape(-1, rollouts.steps, controls.shape[-1])
            tail = rollouts.roll(start_qpos, start_qvel, rest)
            _replace(positions, which, begin, tail.states.qpos)
            _replace(velocities, which, begin, tail.states.qvel)
            if sensors is not None and tail.states.sensors is not None:
                _replace(sensors, which, begin, tail.states.sensors)
            finite[:, :, which] &= tail.finite.reshape(*finite.shape[:2], -1)
        found = States(_flat(positions), _flat(velocities), None if sensors is None else _flat(sensors))
        return Trajectories(found, controls.reshape(-1, *controls.shape[2:]), finite.reshape(len(finite), -1))


def _repeated(values: Array, rows: int) -> Array:
    """``values`` (D, E, T + 1, n) as (D, E, ``rows``, T + 1, n), with time contiguous as ``Rollouts`` has it."""
    return np.moveaxis(np.repeat(np.moveaxis(values, -1, 0)[:, :, :, np.newaxis], rows, axis=3), 0, -1)


def _replace(whole: Array, which: NDArray[np.intp], begin: int, tail: Array) -> None:
    """Put ``tail`` (D, E V', T' + 1, n), whose states begin at ``begin``, in the rows ``which`` (V',) of ``whole``."""
    whole[:, :, which, begin:] = tail.reshape(*whole.shape[:2], len(which), *tail.shape[2:])


def _flat(values: Array) -> Array:
    domains, environments, rows, *rest = values.shape
    return values.reshape(domains, environments * rows, *rest)
