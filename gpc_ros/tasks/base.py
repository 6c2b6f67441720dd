"""What a robot task is: a MuJoCo model, a cost made of weighted squared residuals, starts, and success.

Letters: N any leading batch shape, nq, nv, nu as MuJoCo has them, ng size of the goal, ny of the observation.
SI units and radians throughout; world frame unless said otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from gpc_ros import paths
from gpc_ros.errors import InvalidModel
from gpc_ros.signals import Array

Residuals = Mapping[str, tuple[Array, ...]]
"""Residual components by term name, each component of shape (N). A term's value is the sum of their squares."""


@dataclass(frozen=True, slots=True)
class States:
    """A batch of states: ``qpos`` (N, nq), ``qvel`` (N, nv), ``sensors`` (N, nsensordata) where a task needs them."""

    qpos: Array
    qvel: Array
    sensors: Array | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """A state to begin from: ``qpos`` (nq,), ``qvel`` (nv,), and the ``goal`` (ng,) to reach."""

    qpos: Array
    qvel: Array
    goal: Array


class Task(ABC):
    """One robot and what it is to do. One file in ``tasks/`` defines one subclass.

    The cost of a trajectory is J = sum_t dt l(x_t, u_t) + phi(x_T) with
    l = sum_i w_i |r_i(x, u)|^2 and phi = sum_j w_j |r_j(x)|^2, the w being the weights below.
    """

    running_weights: ClassVar[Mapping[str, float]]
    """Default weights of the running cost's terms, by name."""
    terminal_weights: ClassVar[Mapping[str, float]]
    """Default weights of the terminal cost's terms, by name."""
    named_start: ClassVar[str]
    """Keyframe of the MJCF that holds the task's named start, such as ``hanging``."""
    episode_s: ClassVar[float] = 10.0
    """Length of a test run [s]."""
    success_window_s: ClassVar[float] = 1.0
    """Length of the final window [s] in which ``at_goal`` must hold throughout."""
    goal: ClassVar[tuple[float, ...]] = ()
    """Default goal (ng,); empty for a task without one."""
    goal_names: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    """What the goal's numbers are, in order: x, y, z [m] and yaw [rad] of a pose, or up to three of other names."""
    needs_sensors: ClassVar[bool] = False
    """Whether residuals read ``States.sensors``."""
    traced: ClassVar[tuple[str, ...]] = ()
    """Sites, bodies or geoms whose paths show where a plan leads; empty: the model's last body."""

    @property
    def name(self) -> str:
        """The robot's name: that of the module."""
        return type(self).__module__.rsplit(".", 1)[-1]

    @property
    def model_file(self) -> Path:
        """The MJCF file."""
        return paths.home(self.name) / "models" / self.name / "scene.xml"

    def load_model(self) -> mujoco.MjModel:
        """A fresh model; its ``opt.timestep`` is the planning step [s].

        Raises:
            InvalidModel: if the MJCF is missing or broken, lacks the named start, has an unlimited actuator, or an
                integrator that MuJoCo cannot linearise for the filter.
        """
        try:
            model = mujoco.MjModel.from_xml_path(str(self.model_file))
        except ValueError as error:
            raise InvalidModel(f"{self.model_file}: {' '.join(str(error).split())}") from None
        keys = [model.key(i).name for i in range(model.nkey)]
        if self.named_start not in keys:
            raise InvalidModel(f"{self.model_file}: no keyframe '{self.named_start}', only {keys}")
        if model.nu == 0:
            raise InvalidModel(f"{self.model_file}: no actuator")
        if unlimited := [model.actuator(i).name for i in range(model.nu) if not model.actuator_ctrllimited[i]]:
            raise InvalidModel(f"{self.model_file}: every actuator needs a ctrlrange, {unlimited} have none")
        if model.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4:
            raise InvalidModel(f"{self.model_file}: integrator RK4 has no derivatives; take Euler or implicitfast")
        return model

    @cached_property
    def model(self) -> mujoco.MjModel:
        """The nominal model. Shared: not to be changed."""
        return self.load_model()

    @abstractmethod
    def running_residuals(self, states: States, ctrl: Array, goal: Array) -> Residuals:
        """Terms of the running cost at ``states`` (N), ``ctrl`` (N, nu) [actuator units].

        ``goal`` is (ng,), or has leading axes that broadcast against N: read it as ``goal[..., i]``.
        """

    @abstractmethod
    def terminal_residuals(self, states: States, goal: Array) -> Residuals:
        """Terms of the terminal cost."""

    @abstractmethod
    def observe(self, states: States, goal: Array) -> Array:
        """What a policy sees (N, ny)."""

    @abstractmethod
    def reset(self, rng: np.random.Generator) -> Start:
        """A random start of the training distribution."""

    @abstractmethod
    def at_goal(self, states: States, goal: Array) -> NDArray[np.bool_]:
        """Whether each state meets the success criterion, bool (N)."""

    def success(self, states: States, times_s: Array, goal: Array) -> bool:
        """Whether a run (T states at ``times_s`` (T,) [s]) succeeded: ``at_goal`` throughout the final window."""
        window = times_s >= times_s[-1] - self.success_window_s
        return bool(np.all(self.at_goal(states, goal)[window]))

    def mirror(self) -> tuple[Array, Array] | None:
        """Matrices (ny, ny) and (nu, nu) that turn observation and controls into those of the mirrored robot.

        None for a task that is not symmetric; the default. The ctrlranges must be symmetric as well.
        """
        return None

    def randomize(self, rng: np.random.Generator) -> mujoco.MjModel:
        """A model with parameters drawn from the task's ranges (domain randomization); nominal unless overridden."""
        del rng
        return self.load_model()

    def start(self, name: str) -> Start:
        """The start at keyframe ``name``, with the default goal.

        Raises:
            InvalidModel: if the MJCF has no such keyframe; lists those it has.
        """
        keys = [self.model.key(i).name for i in range(self.model.nkey)]
        if name not in keys:
            raise InvalidModel(f"{self.name} has no keyframe '{name}'. Valid: {', '.join(keys)}")
        key = self.model.key(name)
        return Start(key.qpos.copy(), key.qvel.copy(), np.array(self.goal, dtype=float))

    def running_cost(self, states: States, ctrl: Array, goal: Array) -> Array:
        """l(x, u) with the default weights, shape (N)."""
        return weighted(self.running_residuals(states, ctrl, goal), self.running_weights)

    def terminal_cost(self, states: States, goal: Array) -> Array:
        """phi(x) with the default weights, shape (N)."""
        return weighted(self.terminal_residuals(states, goal), self.terminal_weights)


def weighted(residuals: Residuals, weights: Mapping[str, float]) -> Array:
    """Sum over the terms of weight times squared residual, shape (N)."""
    total: Array | float = 0.0
    for name, components in residuals.items():
        if weight := weights[name]:
            total = total + weight * sum(component * component for component in components)
    return np.asarray(total)
