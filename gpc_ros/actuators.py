"""What an actuator's command is: an effort, a position or a velocity. Read from the MuJoCo model."""

from __future__ import annotations

import mujoco

EFFORT, POSITION, VELOCITY = "effort", "position", "velocity"


def names(model: mujoco.MjModel) -> tuple[str, ...]:
    """Actuator names in model order."""
    return tuple(model.actuator(i).name for i in range(model.nu))


def kinds(model: mujoco.MjModel) -> tuple[str, ...]:
    """``effort``, ``position`` or ``velocity`` of every actuator, by the feedback in its affine bias."""
    return tuple(_kind(model, i) for i in range(model.nu))


def _kind(model: mujoco.MjModel, index: int) -> str:
    if model.actuator_biastype[index] != mujoco.mjtBias.mjBIAS_AFFINE:
        return EFFORT
    _, position, velocity = model.actuator_biasprm[index][:3]
    if position:
        return POSITION
    return VELOCITY if velocity else EFFORT
