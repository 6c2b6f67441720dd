"""Where a browser looks from at first."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from gpc_ros.signals import Array

_TRACKING = (int(mujoco.mjtCamLight.mjCAMLIGHT_TRACK), int(mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM))


def aim(server: Any, model: mujoco.MjModel) -> None:
    """Have every browser that comes to viser's ``server`` begin with ``view``."""
    first = server.initial_camera
    first.position, first.look_at, first.fov = view(model)
    first.up = (0.0, 0.0, 1.0)


def view(model: mujoco.MjModel) -> tuple[Array, Array, float]:
    """Position (3,) [m], what to look at (3,) [m], and the vertical field of view [rad].

    As the model's tracking camera has it, or else its first; without one from the front, a little above.
    """
    center = np.array(model.stat.center)
    if not model.ncam:
        return center + model.stat.extent * np.array([0.0, -1.6, 0.5]), center, np.radians(45.0)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = max(_tracking(model), 0)
    position = data.cam_xpos[camera].copy()
    forward = -data.cam_xmat[camera].reshape(3, 3)[:, 2]
    target = data.subtree_com[tracked_body(model)] if tracked_body(model) else center
    distance = max(float(forward @ (target - position)), 0.1 * model.stat.extent)
    return position, position + distance * forward, float(np.radians(model.cam_fovy[camera]))


def tracked_body(model: mujoco.MjModel) -> int:
    """The body that a camera of the model follows, as it does where robots travel; 0 (the world) if none does."""
    camera = _tracking(model)
    return int(model.cam_bodyid[camera]) if camera >= 0 else 0


def _tracking(model: mujoco.MjModel) -> int:
    """The first camera that follows a body, or -1."""
    return next((camera for camera in range(model.ncam) if model.cam_mode[camera] in _TRACKING), -1)
