"""Cart-pole: swing up, stand, and come back to the middle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gpc_ros.signals import Array
from gpc_ros.tasks.base import Residuals, Start, States, Task


class CartPole(Task):
    """Swing-up of a pole on a cart that is pushed by at most 10 N between stops at 1.8 m.

    x = (p, θ; ṗ, θ̇), θ = 0 hanging, θ = π upright. With d(θ) = (1 + cos θ)² + sin² θ, from 0 to 4:
    l = d + p² + 0.01 (ṗ² + θ̇²) + 0.01 u², φ = 10 d + p² + 0.01 (ṗ² + θ̇²). Cart-pole of arXiv 2502.13406.
    """

    running_weights: ClassVar[Mapping[str, float]] = {"upright": 1.0, "center": 1.0, "velocity": 0.01, "control": 0.01}
    terminal_weights: ClassVar[Mapping[str, float]] = {"upright": 10.0, "center": 1.0, "velocity": 0.01}
    named_start: ClassVar[str] = "hanging"
    traced: ClassVar[tuple[str, ...]] = ("tip",)

    def running_residuals(self, states: States, ctrl: Array, goal: Array) -> Residuals:
        """The terminal cost's terms and the control u."""
        return {**self.terminal_residuals(states, goal), "control": (ctrl[..., 0],)}

    def terminal_residuals(self, states: States, goal: Array) -> Residuals:
        """Distance d from upright, p [m] from the middle, velocities ṗ [m/s] and θ̇ [rad/s]."""
        qpos, qvel = states.qpos, states.qvel
        return {
            "upright": (1.0 + np.cos(qpos[..., 1]), np.sin(qpos[..., 1])),
            "center": (qpos[..., 0],),
            "velocity": (qvel[..., 0], qvel[..., 1]),
        }

    def observe(self, states: States, goal: Array) -> Array:
        """Shape (N, 5): p [m], cos θ, sin θ, ṗ [m/s], θ̇ [rad/s]."""
        position, angle = states.qpos[..., 0], states.qpos[..., 1]
        return np.stack((position, np.cos(angle), np.sin(angle), states.qvel[..., 0], states.qvel[..., 1]), axis=-1)

    def mirror(self) -> tuple[Array, Array]:
        """Left and right are alike."""
        return np.diag((-1, 1, -1, -1, -1)).astype(float), -np.eye(1)

    def reset(self, rng: np.random.Generator) -> Start:
        """Anywhere on the rail, any angle, up to 2 m/s and 2 rad/s."""
        return Start(rng.uniform((-1.8, -3.14), (1.8, 3.14)), rng.uniform(-2.0, 2.0, 2), np.empty(0))

    def at_goal(self, states: States, goal: Array) -> NDArray[np.bool_]:
        """Within 0.2 rad of upright and 0.5 m of the middle, slower than 1 rad/s and 1 m/s."""
        qpos, qvel = states.qpos, states.qvel
        error = np.remainder(qpos[..., 1], 2 * np.pi) - np.pi
        slow = (np.abs(qvel[..., 0]) < 1.0) & (np.abs(qvel[..., 1]) < 1.0)
        return (np.abs(error) < 0.2) & (np.abs(qpos[..., 0]) < 0.5) & slow
