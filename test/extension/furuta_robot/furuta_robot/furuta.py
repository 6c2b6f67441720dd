"""Furuta pendulum: a pole at the end of a driven arm."""

from typing import ClassVar

import numpy as np

from gpc_ros.tasks.base import Start, Task


class Furuta(Task):
    """Swing-up of a pole of 1 m at the end of an arm that a motor turns with at most 4 N m.

    x = (φ, θ; φ̇, θ̇): arm φ, pole θ = 0 hanging, θ = π upright. With d(θ) = (1 + cos θ)² + sin² θ:
    l = d + 0.1 φ² + 0.01 (φ̇² + θ̇²) + 0.01 u², the terminal cost is 10 d + φ² + 0.1 (φ̇² + θ̇²).
    """

    running_weights: ClassVar = {"upright": 1.0, "arm": 0.1, "velocity": 0.01, "control": 0.01}
    terminal_weights: ClassVar = {"upright": 10.0, "arm": 1.0, "velocity": 0.1}
    named_start = "hanging"
    episode_s = 6.0
    traced = ("tip",)

    def running_residuals(self, states, ctrl, goal):
        return {**self.terminal_residuals(states, goal), "control": (ctrl[..., 0],)}

    def terminal_residuals(self, states, goal):
        arm, pole = states.qpos[..., 0], states.qpos[..., 1]
        velocity = (states.qvel[..., 0], states.qvel[..., 1])
        return {"upright": (1.0 + np.cos(pole), np.sin(pole)), "arm": (arm,), "velocity": velocity}

    def observe(self, states, goal):
        arm, pole = states.qpos[..., 0], states.qpos[..., 1]
        angles = np.stack((arm, np.cos(pole), np.sin(pole)), axis=-1)
        return np.concatenate((angles, states.qvel), axis=-1)

    def mirror(self):
        return np.diag((-1.0, 1.0, -1.0, -1.0, -1.0)), -np.eye(1)

    def reset(self, rng):
        return Start(rng.uniform((-1.0, -np.pi), (1.0, np.pi)), rng.uniform(-2.0, 2.0, 2), np.empty(0))

    def at_goal(self, states, goal):
        error = np.remainder(states.qpos[..., 1], 2 * np.pi) - np.pi
        return (np.abs(error) < 0.15) & (np.abs(states.qpos[..., 0]) < 0.5)
