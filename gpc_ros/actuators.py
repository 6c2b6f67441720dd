"""What an actuator's command is: an effort, a position or a velocity. Read from the MuJoCo model."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from gpc_ros.signals import Array

EFFORT, POSITION, VELOCITY = "effort", "position", "velocity"


def names(model: mujoco.MjModel) -> tuple[str, ...]:
    """Actuator names in model order."""
    return tuple(model.actuator(i).name for i in range(model.nu))


def kinds(model: mujoco.MjModel) -> tuple[str, ...]:
    """``effort``, ``position`` or ``velocity`` of every actuator, by the feedback in its affine bias."""
    return tuple(_kind(model, i) for i in range(model.nu))


def servos(model: mujoco.MjModel) -> NDArray[np.bool_]:
    """Which actuators (nu,) are told positions: zero would not let go of the robot but move it."""
    return np.array([kind == POSITION for kind in kinds(model)], dtype=bool)


def rest(model: mujoco.MjModel, data: mujoco.MjData) -> Array:
    """Command (nu,) that moves nothing by itself: servos stay where ``data`` has them, the others get zero.

    Inside the ctrlrange. Needs the positions of ``data`` gone through (mj_forward).
    """
    return np.clip(np.where(servos(model), data.actuator_length, 0.0), *model.actuator_ctrlrange.T)


def _kind(model: mujoco.MjModel, index: int) -> str:
    if model.actuator_biastype[index] != mujoco.mjtBias.mjBIAS_AFFINE:
        return EFFORT
    _, position, velocity = model.actuator_biasprm[index][:3]
    if position:
        return POSITION
    return VELOCITY if velocity else EFFORT
