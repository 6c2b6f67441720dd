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
    told = [kind == POSITION for kind in kinds(model)]
    return np.array(told, dtype=bool) & (model.actuator_gainprm[:, 0] != 0)


def moments(model: mujoco.MjModel, data: mujoco.MjData) -> Array:
    """Moment arms (nu, nv) of the actuators, where the positions of ``data`` have been gone through."""
    found = np.zeros((model.nu, model.nv))
    mujoco.mju_sparse2dense(found, data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind)
    return found


def rest(model: mujoco.MjModel, qpos: Array) -> Array:
    """Command (nu,) that moves nothing by itself: servos carry their load at ``qpos`` (nq,), the others get zero.

    A servo carries a load by an error, so that it is told a place beside its own: k (u - l) = f, where the forces f are
    those that hold the robot against gravity and springs, by least squares where servos alone cannot. Inside the
    ctrlrange.
    """
    ctrl, told = np.zeros(model.nu), servos(model)
    if told.any():
        data = mujoco.MjData(model)
        data.qpos[:] = qpos
        mujoco.mj_fwdPosition(model, data)
        mujoco.mj_fwdVelocity(model, data)
        load = data.qfrc_bias - data.qfrc_passive
        force = np.linalg.lstsq(moments(model, data)[told].T, load, rcond=None)[0]
        gain, (offset, stiffness, *_) = model.actuator_gainprm[told, 0], model.actuator_biasprm[told].T
        ctrl[told] = (force - offset - stiffness * data.actuator_length[told]) / gain
    return np.clip(ctrl, *model.actuator_ctrlrange.T)


def _kind(model: mujoco.MjModel, index: int) -> str:
    if model.actuator_biastype[index] != mujoco.mjtBias.mjBIAS_AFFINE:
        return EFFORT
    _, position, velocity = model.actuator_biasprm[index][:3]
    if position:
        return POSITION
    return VELOCITY if velocity else EFFORT
