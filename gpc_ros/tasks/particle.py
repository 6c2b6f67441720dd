"""Particle: the smallest task with a goal, for quick checks of the whole stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from gpc_ros.signals import Array
from gpc_ros.tasks.base import Residuals, Start, States, Task

_REACH = 0.29  # [m] limit of either axis


class Particle(Task):
    """A point mass with viscous friction, pushed to a goal g (2,) [m] in the plane.

    x = (p; v). φ = 5 |p - g|² + 0.1 |v|², l = φ + 0.1 |u|².
    """

    running_weights: ClassVar[Mapping[str, float]] = {"distance": 5.0, "velocity": 0.1, "control": 0.1}
    terminal_weights: ClassVar[Mapping[str, float]] = {"distance": 5.0, "velocity": 0.1}
    named_start: ClassVar[str] = "corner"
    episode_s: ClassVar[float] = 2.0
    success_window_s: ClassVar[float] = 0.0
    goal: ClassVar[tuple[float, ...]] = (0.25, 0.0)
    traced: ClassVar[tuple[str, ...]] = ("pointmass",)

    def running_residuals(self, states: States, ctrl: Array, goal: Array) -> Residuals:
        """The terminal cost's terms and the control u."""
        return {**self.terminal_residuals(states, goal), "control": (ctrl[..., 0], ctrl[..., 1])}

    def terminal_residuals(self, states: States, goal: Array) -> Residuals:
        """Distance to the goal along x and y [m], velocity [m/s]."""
        qpos, qvel = states.qpos, states.qvel
        return {
            "distance": (qpos[..., 0] - goal[..., 0], qpos[..., 1] - goal[..., 1]),
            "velocity": (qvel[..., 0], qvel[..., 1]),
        }

    def observe(self, states: States, goal: Array) -> Array:
        """Shape (N, 4): p - g [m], v [m/s]."""
        return np.concatenate((states.qpos - goal, states.qvel), axis=-1)

    def reset(self, rng: np.random.Generator) -> Start:
        """Position and goal anywhere between the walls, up to 0.5 m/s."""
        qpos, goal = rng.uniform(-_REACH, _REACH, (2, 2))
        return Start(qpos, rng.uniform(-0.5, 0.5, 2), goal)

    def at_goal(self, states: States, goal: Array) -> NDArray[np.bool_]:
        """Within 1 cm of the goal, slower than 5 cm/s."""
        distance = np.linalg.norm(states.qpos - goal, axis=-1)
        return (distance < 0.01) & (np.linalg.norm(states.qvel, axis=-1) < 0.05)

    def randomize(self, rng: np.random.Generator) -> mujoco.MjModel:
        """Each motor 0.9 to 1.1 times as strong."""
        model = self.load_model()
        model.actuator_gainprm[:, 0] *= rng.uniform(0.9, 1.1, model.nu)
        return model
