"""Walker: a planar biped that gets up and walks at a given speed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from gpc_ros.signals import Array
from gpc_ros.tasks.base import Residuals, Start, States, Task

_STANDING = 1.3  # [m] height of the torso above the floor when z is 0
_HEIGHT = 1.2  # [m] the torso's goal
_LEGS = (3, 6)  # first joints of the right and of the left leg: hip, knee, ankle
_GRACE_S = 3.0  # to get up in
_SPEED_BAND = 0.2  # [m/s]


class Walker(Task):
    """Walking in a plane with a torso and two legs of three joints; the goal g (1,) is the speed [m/s].

    x = (z, p, β, right hip, knee, ankle, left hip, knee, ankle; ...): torso at height h = 1.3 + z, at p along x,
    pitched by β. With v the velocity along x of the whole robot's centre of mass:
    φ = 10 (h - 1.2)² + 3 (cos β - 1)² + (v - g)², l = φ + 0.1 |u|². Walker of arXiv 2502.13406, where g = 1.5.
    """

    running_weights: ClassVar[Mapping[str, float]] = {"height": 10.0, "upright": 3.0, "speed": 1.0, "control": 0.1}
    terminal_weights: ClassVar[Mapping[str, float]] = {"height": 10.0, "upright": 3.0, "speed": 1.0}
    named_start: ClassVar[str] = "standing"
    success_window_s: ClassVar[float] = 5.0
    goal: ClassVar[tuple[float, ...]] = (1.5,)
    goal_names: ClassVar[tuple[str, ...]] = ("speed",)
    traced: ClassVar[tuple[str, ...]] = ("torso",)

    def running_residuals(self, states: States, ctrl: Array, goal: Array) -> Residuals:
        """The terminal cost's terms and the controls u."""
        control = tuple(ctrl[..., i] for i in range(self.model.nu))
        return {**self.terminal_residuals(states, goal), "control": control}

    def terminal_residuals(self, states: States, goal: Array) -> Residuals:
        """Height from its goal [m], cos β - 1, speed from its goal [m/s]."""
        qpos = states.qpos
        return {
            "height": (qpos[..., 0] + (_STANDING - _HEIGHT),),
            "upright": (np.cos(qpos[..., 2]) - 1.0,),
            "speed": (self.speed(states) - goal[..., 0],),
        }

    def observe(self, states: States, goal: Array) -> Array:
        """Shape (N, 19): cos β, sin β, z [m], joints [rad], velocities of all [m/s, rad/s], v - g [m/s]."""
        pitch = states.qpos[..., 2:3]
        wrong = (self.speed(states) - goal[..., 0])[..., np.newaxis]
        seen = (np.cos(pitch), np.sin(pitch), states.qpos[..., :1], states.qpos[..., 3:], states.qvel, wrong)
        return np.concatenate(seen, axis=-1)

    def mirror(self) -> tuple[Array, Array]:
        """The legs are alike, and in a plane either may be the left one."""
        legs = np.eye(6)[[3, 4, 5, 0, 1, 2]]
        return block_diag(np.eye(3), legs, np.eye(3), legs, 1.0), legs

    def reset(self, rng: np.random.Generator) -> Start:
        """Any pose of the legs, pitched up to 1.5 rad, up to 5 cm above or below standing height, nearly at rest.

        Feet may begin inside the floor, which pushes them out.
        """
        low, high = self.model.jnt_range[_LEGS[0] :].T
        torso = rng.uniform(-1.0, 1.0, 3) * (0.05, 0.0, 1.5)
        qpos = np.concatenate((torso, rng.uniform(low, high)))
        return Start(qpos, rng.uniform(-0.1, 0.1, self.model.nv), np.array(self.goal))

    def at_goal(self, states: States, goal: Array) -> NDArray[np.bool_]:
        """Upright: torso above 0.8 m, cos β above 0.7. The speed counts in ``success``, on average."""
        return (states.qpos[..., 0] + _STANDING > 0.8) & (np.cos(states.qpos[..., 2]) > 0.7)

    def success(self, states: States, times_s: Array, goal: Array) -> bool:
        """Whether the robot was upright from 3 s on, and as fast as asked, to 0.2 m/s, on average over the last 5 s."""
        upright = self.at_goal(states, goal)[times_s >= _GRACE_S]
        last = times_s >= times_s[-1] - self.success_window_s
        error = float(np.mean(self.speed(states)[last] - goal[..., 0]))
        return bool(upright.all()) and abs(error) < _SPEED_BAND

    def speed(self, states: States) -> Array:
        """Velocity v (N) [m/s] of the robot's centre of mass along x.

        A segment at angle β about y whose arm is (a, b) along x and z has it at a cos β + b sin β.
        """
        qpos, qvel = states.qpos, states.qvel
        (torso, *_), pitch, rate = self._arms, qpos[..., 2], qvel[..., 2]
        speed = qvel[..., 1] + _along_x(torso, pitch, rate)
        for first in _LEGS:
            angle, turning = pitch, rate
            for joint in range(first, first + 3):
                angle, turning = angle - qpos[..., joint], turning - qvel[..., joint]
                speed = speed + _along_x(self._arms[joint - 2], angle, turning)
        return np.asarray(speed)

    @cached_property
    def _arms(self) -> list[tuple[float, float]]:
        """By segment, torso first: how far along x and z [m] it moves the robot's centre of mass from its own joint.

        Its own share of the mass at its centre of mass, and at each child's joint that of all that hangs there.
        """
        model, data = self.model, mujoco.MjData(self.model)
        mujoco.mj_kinematics(model, data)
        joint_of = {int(model.jnt_bodyid[i]): data.xanchor[i] for i in range(2, model.njnt)}
        arms = []
        for body, pivot in joint_of.items():
            moment = model.body_mass[body] * (data.xipos[body] - pivot)
            for child in np.flatnonzero(model.body_parentid == body):
                moment += model.body_subtreemass[child] * (joint_of[int(child)] - pivot)
            arm = moment / model.body_subtreemass[0]
            arms.append((float(arm[0]), float(arm[2])))
        return arms


def _along_x(arm: tuple[float, float], angle: Array, rate: Array) -> Array:
    """Velocity along x [m/s] of the end of ``arm``, which turns about y."""
    return (arm[1] * np.cos(angle) - arm[0] * np.sin(angle)) * rate
