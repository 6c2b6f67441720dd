"""Torque-limited pendulum: pump up and stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gpc_ros.signals import Array
from gpc_ros.tasks.base import Residuals, Start, States, Task


class Pendulum(Task):
    """Swing-up of a pendulum whose motor has 0.41 of the torque that gravity has.

    x = (θ; θ̇), θ = 0 hanging, θ = π upright. With d(θ) = (1 + cos θ)² + sin² θ, from 0 to 4:
    l = d + 0.01 θ̇² + 0.001 u², φ = d + 0.01 θ̇². Inverted pendulum of arXiv 2502.13406.
    """

    running_weights: ClassVar[Mapping[str, float]] = {"upright": 1.0, "velocity": 0.01, "control": 0.001}
    terminal_weights: ClassVar[Mapping[str, float]] = {"upright": 1.0, "velocity": 0.01}
    named_start: ClassVar[str] = "hanging"
    traced: ClassVar[tuple[str, ...]] = ("tip",)

    def running_residuals(self, states: States, ctrl: Array, goal: Array) -> Residuals:
        """The terminal cost's terms and the control u."""
        return {**self.terminal_residuals(states, goal), "control": (ctrl[..., 0],)}

    def terminal_residuals(self, states: States, goal: Array) -> Residuals:
        """Distance d from upright, velocity θ̇ [rad/s]."""
        angle = states.qpos[..., 0]
        return {"upright": (1.0 + np.cos(angle), np.sin(angle)), "velocity": (states.qvel[..., 0],)}

    def observe(self, states: States, goal: Array) -> Array:
        """Shape (N, 3): cos θ, sin θ, θ̇ [rad/s]."""
        angle = states.qpos[..., 0]
        return np.stack((np.cos(angle), np.sin(angle), states.qvel[..., 0]), axis=-1)

    def mirror(self) -> tuple[Array, Array]:
        """Left and right are alike."""
        return np.diag((1, -1, -1)).astype(float), -np.eye(1)

    def reset(self, rng: np.random.Generator) -> Start:
        """Any angle, up to 8 rad/s either way."""
        return Start(rng.uniform(-np.pi, np.pi, 1), rng.uniform(-8.0, 8.0, 1), np.empty(0))

    def at_goal(self, states: States, goal: Array) -> NDArray[np.bool_]:
        """Within 0.1 rad of upright, slower than 0.5 rad/s."""
        error = np.remainder(states.qpos[..., 0], 2 * np.pi) - np.pi
        return (np.abs(error) < 0.1) & (np.abs(states.qvel[..., 0]) < 0.5)
