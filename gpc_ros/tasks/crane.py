"""Luffing crane: bring the end of a swinging payload to a point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from gpc_ros import rotations
from gpc_ros.signals import Array
from gpc_ros.tasks.base import Residuals, Start, States, Task

_END_M = 0.15  # from the middle of the rod to its end, on its axis
_RADIUS_M = 0.15  # a goal counts as reached within it


class Crane(Task):
    """A boom that slews and luffs, and a hoist, bring the lower end of the payload to a goal g (3,) [m].

    With the end's place p relative to the goal and its velocity v, both from the payload's free joint:
    l = φ = |p|² + 0.1 |v|². The drives are position servos: u = (slew [rad], luff [rad], cable [m]).
    A run succeeds that comes within 15 cm of the goal in 10 s. Luffing crane of arXiv 2502.13406.
    """

    running_weights: ClassVar[Mapping[str, float]] = {"distance": 1.0, "velocity": 0.1}
    terminal_weights: ClassVar[Mapping[str, float]] = {"distance": 1.0, "velocity": 0.1}
    named_start: ClassVar[str] = "hanging"
    goal: ClassVar[tuple[float, ...]] = (0.0, 1.5, 0.8)
    traced: ClassVar[tuple[str, ...]] = ("payload_end",)

    def running_residuals(self, states: States, ctrl: Array, goal: Array) -> Residuals:
        """The terminal cost's terms: the control costs nothing."""
        return self.terminal_residuals(states, goal)

    def terminal_residuals(self, states: States, goal: Array) -> Residuals:
        """Offset p of the payload's end from the goal [m], its velocity v [m/s], world axes."""
        place, velocity = _payload_end(states)
        x, y, z = place
        return {"distance": (x - goal[..., 0], y - goal[..., 1], z - goal[..., 2]), "velocity": velocity}

    def observe(self, states: States, goal: Array) -> Array:
        """Shape (N, 23): p [m], v [m/s], qpos (9) with the quaternion's w not negative, qvel (8)."""
        residuals = self.terminal_residuals(states, goal)
        qpos = states.qpos.copy()
        qpos[..., 5:] *= np.where(qpos[..., 5:6] < 0.0, -1.0, 1.0)
        relative = np.stack((*residuals["distance"], *residuals["velocity"]), axis=-1)
        return np.concatenate((relative, qpos, states.qvel), axis=-1)

    def mirror(self) -> tuple[Array, Array]:
        """Left and right are alike, but for the grams of two sensors on the boom."""
        offset, quat_wxyz, turn = (-1, 1, 1), (1, 1, -1, -1), (1, -1, -1)
        seen = (*offset, *offset, -1, 1, *offset, *quat_wxyz, -1, 1, *offset, *turn)
        return np.diag(seen).astype(float), np.diag((-1.0, 1.0, 1.0))

    def reset(self, rng: np.random.Generator) -> Start:
        """Slew and luff anywhere, the payload far outside of the boom's tip on a taut cable: it will swing wildly."""
        qpos = self.model.qpos0.copy()
        qpos[:5] += rng.uniform((-1.0, 0.0, -1.0, 1.0, 0.3), (1.0, 1.0, 1.0, 2.2, 1.0))
        goal = rng.uniform((-1.5, 1.0, 0.0), (1.5, 3.0, 1.5))
        return Start(qpos, rng.uniform(-0.1, 0.1, self.model.nv), goal)

    def at_goal(self, states: States, goal: Array) -> NDArray[np.bool_]:
        """Within 15 cm of the goal."""
        distance = np.stack(self.terminal_residuals(states, goal)["distance"], axis=-1)
        return np.linalg.norm(distance, axis=-1) < _RADIUS_M

    def success(self, states: States, times_s: Array, goal: Array) -> bool:
        """Whether the goal was reached at any time: many goals are beyond where the payload could rest."""
        return bool(np.any(self.at_goal(states, goal)))

    def randomize(self, rng: np.random.Generator) -> mujoco.MjModel:
        """Damping 0.05 to 20 times, payload 0.5 to 2 times as heavy, all stiffnesses up to 5 less or more."""
        model = self.load_model()
        model.dof_damping *= rng.uniform(0.05, 20.0)
        payload, factor = model.body("payload").id, rng.uniform(0.5, 2.0)
        model.body_mass[payload] *= factor
        model.body_inertia[payload] *= factor
        offset = rng.uniform(-5.0, 5.0)
        model.actuator_gainprm[:, 0] += offset
        model.actuator_biasprm[:, 1] -= offset
        mujoco.mj_setConst(model, mujoco.MjData(model))
        return model


def _payload_end(states: States) -> tuple[rotations.Vector, rotations.Vector]:
    """Place [m] and velocity [m/s] of the payload's lower end: r = (0, 0, -0.15) in the payload's frame."""
    qpos, qvel = states.qpos, states.qvel
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = rotations.axes(qpos[..., 5:9])
    place = qpos[..., 2] - _END_M * cx, qpos[..., 3] - _END_M * cy, qpos[..., 4] - _END_M * cz
    along_a, along_b = -_END_M * qvel[..., 6], _END_M * qvel[..., 5]  # angular velocity times r, payload's frame
    velocity = (
        qvel[..., 2] + along_a * ax + along_b * bx,
        qvel[..., 3] + along_a * ay + along_b * by,
        qvel[..., 4] + along_a * az + along_b * bz,
    )
    return place, velocity
