"""Push-T: push a T over a table to where it belongs, turned as it should be."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from gpc_ros.signals import Array
from gpc_ros.tasks.base import Residuals, Start, States, Task

_HOME_Y = 0.1  # [m] where the pusher is when its joints are at zero
_REACH = 0.2  # [m] starts are that far from the middle at most, along either axis
_NEAR = 0.01  # [m]
_ALIGNED = 0.1  # [rad]
_ROUNDING_S = 1e-9


class PushT(Task):
    """A T that rubs on a table, and a finger of controlled velocity (at most 1 m/s) that pushes it to the goal g.

    x = (b, θ, s; ...): origin b (2,) and yaw θ of the T, way s (2,) of the finger from its home at h = (0, 0.1).
    g = (o (2,) [m], ψ [rad]), the pose that the T's is to be. With the T's centre of mass at c in its own axes:
    l = φ = |b + R(θ) c - o - R(ψ) c|² + ∠(θ - ψ)² + 0.01 |b - h - s|², ∠ in [-π, π). Push-T of arXiv 2502.13406,
    less the square of a constant 0.5 mm along z.
    """

    running_weights: ClassVar[Mapping[str, float]] = {"position": 1.0, "angle": 1.0, "reach": 0.01}
    terminal_weights: ClassVar[Mapping[str, float]] = {"position": 1.0, "angle": 1.0, "reach": 0.01}
    named_start: ClassVar[str] = "turned"
    episode_s: ClassVar[float] = 20.0
    goal: ClassVar[tuple[float, ...]] = (0.0, 0.0, 0.0)
    goal_names: ClassVar[tuple[str, ...]] = ("x", "y", "yaw")
    traced: ClassVar[tuple[str, ...]] = ("pusher", "block")

    def running_residuals(self, states: States, ctrl: Array, goal: Array) -> Residuals:
        """The terminal cost's terms: moving costs nothing."""
        return self.terminal_residuals(states, goal)

    def terminal_residuals(self, states: States, goal: Array) -> Residuals:
        """Centre of mass from its goal [m], yaw from its goal [rad], finger from the T [m]."""
        qpos = states.qpos
        yaw = qpos[..., 2]
        here, there = self._center(yaw), self._center(goal[..., 2])
        return {
            "position": tuple(qpos[..., i] + here[i] - goal[..., i] - there[i] for i in (0, 1)),
            "angle": (_wrapped(yaw - goal[..., 2]),),
            "reach": (qpos[..., 0] - qpos[..., 3], qpos[..., 1] - qpos[..., 4] - _HOME_Y),
        }

    def observe(self, states: States, goal: Array) -> Array:
        """Shape (N, 6): finger and T in the goal's axes [m], cosine and sine of the T's yaw in them.

        So what a policy has learned for one goal holds for others, but for its commands, which are along the world's
        axes: for goals that are turned much from those of its training it is lost.
        """
        qpos, turn = states.qpos, goal[..., 2]
        cos, sin = np.cos(turn), np.sin(turn)
        seen = []
        for x, y in ((qpos[..., 3], qpos[..., 4] + _HOME_Y), (qpos[..., 0], qpos[..., 1])):
            x, y = x - goal[..., 0], y - goal[..., 1]
            seen += [cos * x + sin * y, cos * y - sin * x]
        yaw = qpos[..., 2] - turn
        return np.stack((*seen, np.cos(yaw), np.sin(yaw)), axis=-1)

    def mirror(self) -> tuple[Array, Array]:
        """Left and right of the T, and of the table, are alike."""
        return np.diag((-1, 1, -1, 1, 1, -1)).astype(float), np.diag((-1.0, 1.0))

    def reset(self, rng: np.random.Generator) -> Start:
        """T anywhere within 20 cm along x and y, turned anyhow, finger too, where it may overlap the T; all slow."""
        qpos = rng.uniform(-_REACH, _REACH, 5)
        qpos[2] *= np.pi / _REACH
        qvel = rng.uniform(-1.0, 1.0, 5) * (0.02, 0.02, 0.2, 0.1, 0.1)
        return Start(qpos, qvel, np.array(self.goal))

    def at_goal(self, states: States, goal: Array) -> NDArray[np.bool_]:
        """Centre of mass within 1 cm, yaw within 0.1 rad of the goal."""
        errors = self.terminal_residuals(states, goal)
        return (np.hypot(*errors["position"]) < _NEAR) & (np.abs(errors["angle"][0]) < _ALIGNED)

    def success(self, states: States, times_s: Array, goal: Array) -> bool:
        """Whether ``at_goal`` held for 1 s at a stretch, at any time of the run."""
        missed = np.flatnonzero(~self.at_goal(states, goal))
        first = np.concatenate(([0], missed + 1))  # of each stretch between two misses
        last = np.concatenate((missed - 1, [len(times_s) - 1]))
        some = first <= last
        held_s = times_s[last[some]] - times_s[first[some]]
        return bool(np.any(held_s > self.success_window_s - _ROUNDING_S))

    def randomize(self, rng: np.random.Generator) -> mujoco.MjModel:
        """Sliding friction of every geom 0.1 to 2 times what it is; where two touch, the larger counts."""
        model = self.load_model()
        model.geom_friction[:, 0] *= rng.uniform(0.1, 2.0, model.ngeom)
        return model

    @cached_property
    def _offset(self) -> tuple[float, float]:
        """Centre of mass in the T's own axes [m]."""
        x, y, _ = self.model.body("block").ipos
        return float(x), float(y)

    def _center(self, yaw: Array) -> tuple[Array, Array]:
        """Centre of mass from the T's origin [m], world axes."""
        (x, y), cos, sin = self._offset, np.cos(yaw), np.sin(yaw)
        return x * cos - y * sin, x * sin + y * cos


def _wrapped(angle: Array) -> Array:
    return np.remainder(angle + np.pi, 2.0 * np.pi) - np.pi
