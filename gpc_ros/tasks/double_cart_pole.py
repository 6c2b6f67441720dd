"""Double cart-pole: swing two poles up with one cart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gpc_ros.signals import Array
from gpc_ros.tasks.base import Residuals, Start, States, Task


class DoubleCartPole(Task):
    """Swing-up of two poles in a chain on a cart that is pushed by at most 20 N between stops at 3.8 m.

    x = (p, θ₁, θ₂; ...), θ₂ relative to the first pole; (0, 0) hangs, (π, 0) stands. The tip is at
    a = -sin θ₁ - sin(θ₁ + θ₂) beside the cart and h = 2 - cos θ₁ - cos(θ₁ + θ₂) above the floor, so that
    e = (h - 4)² + a² and l = e + 0.1 (θ̇₁² + θ̇₂²) + 0.001 u², φ = 10 e + 10 p² + ṗ² + θ̇₁² + θ̇₂².
    Double cart-pole of arXiv 2502.13406.
    """

    running_weights: ClassVar[Mapping[str, float]] = {"tip": 1.0, "spin": 0.1, "control": 0.001}
    terminal_weights: ClassVar[Mapping[str, float]] = {"tip": 10.0, "center": 10.0, "velocity": 1.0, "spin": 1.0}
    named_start: ClassVar[str] = "hanging"
    success_window_s: ClassVar[float] = 2.0
    traced: ClassVar[tuple[str, ...]] = ("tip", "pole_2")

    def running_residuals(self, states: States, ctrl: Array, goal: Array) -> Residuals:
        """Tip error e [m], angular velocities [rad/s], control u; the cart is free to roam."""
        return {"tip": _tip_error(states.qpos), "spin": _spin(states.qvel), "control": (ctrl[..., 0],)}

    def terminal_residuals(self, states: States, goal: Array) -> Residuals:
        """Tip error e [m], p [m] from the middle, velocity of the cart [m/s] and of the hinges [rad/s]."""
        return {
            "tip": _tip_error(states.qpos),
            "center": (states.qpos[..., 0],),
            "velocity": (states.qvel[..., 0],),
            "spin": _spin(states.qvel),
        }

    def observe(self, states: States, goal: Array) -> Array:
        """Shape (N, 8): p [m], cos θ₁, sin θ₁, cos θ₂, sin θ₂, ṗ [m/s], θ̇₁, θ̇₂ [rad/s]."""
        position, first, second = np.moveaxis(states.qpos, -1, 0)
        angles = (np.cos(first), np.sin(first), np.cos(second), np.sin(second))
        return np.stack((position, *angles, *np.moveaxis(states.qvel, -1, 0)), axis=-1)

    def mirror(self) -> tuple[Array, Array]:
        """Left and right are alike."""
        return np.diag((-1, 1, -1, 1, -1, -1, -1, -1)).astype(float), -np.eye(1)

    def reset(self, rng: np.random.Generator) -> Start:
        """Within 2.8 m of the middle, any angles, up to 10 m/s and 10 rad/s."""
        return Start(rng.uniform((-2.8, -3.14, -3.14), (2.8, 3.14, 3.14)), rng.uniform(-10.0, 10.0, 3), np.empty(0))

    def at_goal(self, states: States, goal: Array) -> NDArray[np.bool_]:
        """Tip above 3.9 m, cart within 3.5 m of the middle: never on a stop."""
        height_error, _ = _tip_error(states.qpos)
        return (height_error > -0.1) & (np.abs(states.qpos[..., 0]) < 3.5)


def _tip_error(qpos: Array) -> tuple[Array, Array]:
    """Height of the tip above its goal at 4 m, and its offset from the cart along x [m], each (N)."""
    first = qpos[..., 1]
    second = first + qpos[..., 2]
    return -2.0 - np.cos(first) - np.cos(second), -np.sin(first) - np.sin(second)


def _spin(qvel: Array) -> tuple[Array, Array]:
    return qvel[..., 1], qvel[..., 2]
