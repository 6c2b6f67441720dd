"""Humanoid: stand up from wherever it has fallen."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from gpc_ros import rotations
from gpc_ros.signals import Array
from gpc_ros.tasks.base import Residuals, Start, States, Task

_HEIGHT_M = 0.9  # of the torso's inertial measurement unit when it stands


class Humanoid(Task):
    """A floating body with 23 joints, driven by velocity servos of at most 5 rad/s, gets up and stands.

    With h the height [m] of the torso's inertial measurement unit, e the torso's own z axis in the world, q the joints'
    angles, q₀ those of the keyframe ``home``: l = 10 (h - 0.9)² + w |e - e_z|² + 0.1 |q - q₀|² + 0.01 |u|², φ = l
    without u. Standing of arXiv 2502.13406, which has |e|² instead of |e - e_z|²: a constant, whose weight here
    (``orientation``) is zero. It has a weight at all so that the two can be compared.
    """

    running_weights: ClassVar[Mapping[str, float]] = {
        "height": 10.0,
        "upright": 1.0,
        "posture": 0.1,
        "control": 0.01,
        "orientation": 0.0,
    }
    terminal_weights: ClassVar[Mapping[str, float]] = {
        "height": 10.0,
        "upright": 1.0,
        "posture": 0.1,
        "orientation": 0.0,
    }
    named_start: ClassVar[str] = "lying"
    episode_s: ClassVar[float] = 15.0
    success_window_s: ClassVar[float] = 2.0
    traced: ClassVar[tuple[str, ...]] = ("imu", "left_foot", "right_foot")

    def running_residuals(self, states: States, ctrl: Array, goal: Array) -> Residuals:
        """The terminal cost's terms and the commands u (nu)."""
        return {**self.terminal_residuals(states, goal), "control": tuple(np.moveaxis(ctrl, -1, 0))}

    def terminal_residuals(self, states: States, goal: Array) -> Residuals:
        """Height of the torso above its goal [m], e - e_z, joints beside the standing posture [rad], and e."""
        height, (x, y, z) = self._torso(states.qpos)
        posture = (states.qpos[..., i] - self._standing[i] for i in range(7, self.model.nq))
        return {
            "height": (height - _HEIGHT_M,),
            "upright": (x, y, z - 1.0),
            "posture": tuple(posture),
            "orientation": (x, y, z),
        }

    def observe(self, states: States, goal: Array) -> Array:
        """Shape (N, 10 + 2 nu): h [m], the vertical and the velocity [m/s] of the base as it sees them, ω, q, q̇.

        Nothing tells where it is or which way it faces, as nothing depends on that.
        """
        qpos, qvel = states.qpos, states.qvel
        height, _ = self._torso(qpos)
        base = rotations.axes(qpos[..., 3:7])
        velocity = rotations.inside((qvel[..., 0], qvel[..., 1], qvel[..., 2]), base)
        seen = np.stack((height, *(axis[2] for axis in base), *velocity), axis=-1)
        return np.concatenate((seen, qvel[..., 3:6], qpos[..., 7:], qvel[..., 6:]), axis=-1)

    def mirror(self) -> tuple[Array, Array]:
        """Left and right are alike, but for millimetres."""
        model = self.model
        names = [model.joint(i).name for i in range(1, model.njnt)]
        drives = [model.actuator(i).name for i in range(model.nu)]
        joints = _swap(names, names, model.jnt_axis[1:])
        seen = np.zeros((10 + 2 * model.nu, 10 + 2 * model.nu))
        seen[range(10), range(10)] = (1, 1, -1, 1, 1, -1, 1, -1, 1, -1)
        seen[10 : 10 + model.nu, 10 : 10 + model.nu] = seen[10 + model.nu :, 10 + model.nu :] = joints
        return seen, _swap(drives, names, model.jnt_axis[1:])

    def reset(self, rng: np.random.Generator) -> Start:
        """Any orientation at standing height, near the standing posture: it falls, and parts may touch the floor."""
        qpos = self._standing + 0.1 * rng.standard_normal(self.model.nq)
        quat_wxyz = rng.standard_normal(4)
        qpos[3:7] = quat_wxyz / np.linalg.norm(quat_wxyz)
        return Start(qpos, 0.1 * rng.standard_normal(self.model.nv), np.empty(0))

    def at_goal(self, states: States, goal: Array) -> NDArray[np.bool_]:
        """Torso above 0.75 m and within 26 degrees of upright."""
        height, (_, _, up) = self._torso(states.qpos)
        return np.asarray((height > 0.75) & (up > 0.9))

    def randomize(self, rng: np.random.Generator) -> mujoco.MjModel:
        """The sliding friction of each shape 0.5 to 2 times what it is."""
        model = self.load_model()
        model.geom_friction[:, 0] *= rng.uniform(0.5, 2.0, model.ngeom)
        return model

    @cached_property
    def _standing(self) -> Array:
        """The keyframe ``home`` (nq,)."""
        return self.model.key("home").qpos.copy()

    @cached_property
    def _waist(self) -> list[tuple[Array, int, int]]:
        """From torso to base: place of each body in its parent [m], its joint's axis (0 to 2), index into qpos."""
        model, found = self.model, []
        body = model.body("torso").id
        while model.body_parentid[body] != 0:
            joint = model.body_jntadr[body]
            found.append((model.body_pos[body], int(np.argmax(model.jnt_axis[joint])), int(model.jnt_qposadr[joint])))
            body = model.body_parentid[body]
        return found

    def _torso(self, qpos: Array) -> tuple[Array, rotations.Vector]:
        """Height (N) [m] of the torso's measurement unit and the torso's z axis in the world."""
        x, y, z = (np.asarray(component) for component in self.model.site("imu").pos)
        up = (np.asarray(0.0), np.asarray(0.0), np.asarray(1.0))
        for offset, axis, index in self._waist:
            x, y, z = rotations.turned((x, y, z), axis, qpos[..., index])
            x, y, z = x + offset[0], y + offset[1], z + offset[2]
            up = rotations.turned(up, axis, qpos[..., index])
        base = rotations.axes(qpos[..., 3:7])
        return qpos[..., 2] + rotations.outside((x, y, z), base)[2], rotations.outside(up, base)


def _swap(order: list[str], names: list[str], axes: Array) -> Array:
    """The matrix (nu, nu) that gives each of the joints in ``order`` what its counterpart on the other side has.

    ``axes`` (nu, 3) are those of the joints ``names``; all but joints that turn about y change sign.
    """
    matrix = np.zeros((len(order), len(order)))
    for row, name in enumerate(order):
        side, _, rest = name.partition("_")
        other = {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, name)
        matrix[row, order.index(other)] = 1.0 if axes[names.index(name)][1] else -1.0
    return matrix
