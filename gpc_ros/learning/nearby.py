"""States near a state: moves in tangent space, so that quaternions stay what they are.

Letters: E environments, M nearby states, nq positions, nv velocities.
"""

from __future__ import annotations

import mujoco
import numpy as np

from gpc_ros.signals import Array
from gpc_ros.tasks.base import Task

_STARTS = 1000
_STEP = 0.02
"""Of the spread, for differences: small against the curvature, well above rounding."""


class Nearby:
    """Draws ``count`` states around each state, with standard deviations ``spread`` (2 nv,) in tangent space."""

    def __init__(self, model: mujoco.MjModel, count: int, spread: Array) -> None:
        self._model, self._count = model, count
        self.spread = spread
        self.step = _STEP * np.where(spread > 0, spread, 1.0)
        self._plain = model.nq == model.nv

    def draw(self, generators: list[np.random.Generator]) -> Array:
        """Moves (E, M, 2 nv), one generator per environment."""
        shape = (self._count, len(self.spread))
        return np.stack([self.spread * rng.standard_normal(shape) for rng in generators])

    def perturbed(self, qpos: Array, qvel: Array) -> tuple[Array, Array]:
        """States (E, 2 nv, nq), (E, 2 nv, nv) moved by ``step`` in one coordinate each."""
        moves = np.broadcast_to(np.diag(self.step), (len(qpos), len(self.step), len(self.step)))
        return self.moved(qpos, qvel, moves)

    def moved(self, qpos: Array, qvel: Array, moves: Array) -> tuple[Array, Array]:
        """States (E, M, nq), (E, M, nv) at ``moves`` (E, M, 2 nv) from (E, nq), (E, nv)."""
        nv = self._model.nv
        velocities = qvel[:, np.newaxis] + moves[..., nv:]
        if self._plain:
            return qpos[:, np.newaxis] + moves[..., :nv], velocities
        positions = np.repeat(qpos[:, np.newaxis], moves.shape[1], axis=1)
        flat, steps = positions.reshape(-1, self._model.nq), moves.reshape(-1, 2 * nv)
        for position, step in zip(flat, steps, strict=True):
            mujoco.mj_integratePos(self._model, position, np.ascontiguousarray(step[:nv]), 1.0)
        return positions, velocities


def start_spread(task: Task, rng: np.random.Generator) -> Array:
    """Standard deviation (2 nv,) of the task's random starts, in tangent space."""
    starts = [task.reset(rng) for _ in range(_STARTS)]
    positions = np.zeros((_STARTS, task.model.nv))
    for move, start in zip(positions, starts, strict=True):
        mujoco.mj_differentiatePos(task.model, move, 1.0, starts[0].qpos, start.qpos)
    return np.concatenate([positions.std(axis=0), np.std([start.qvel for start in starts], axis=0)])
