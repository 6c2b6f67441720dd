"""Where a browser looks from at first."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from gpc_ros.signals import Array


def aim(server: Any, model: mujoco.MjModel) -> None:
    """Have every browser that comes to viser's ``server`` begin with ``view``."""
    first = server.initial_camera
    first.position, first.look_at, first.fov = view(model)
    first.up = (0.0, 0.0, 1.0)


def view(model: mujoco.MjModel) -> tuple[Array, Array, float]:
    """Position (3,) [m], what to look at (3,) [m], and the vertical field of view [rad].

    As the model's first camera has it; without one from the front, a little above.
    """
    center = np.array(model.stat.center)
    if not model.ncam:
        return center + model.stat.extent * np.array([0.0, -1.6, 0.5]), center, np.radians(45.0)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    position = data.cam_xpos[0].copy()
    forward = -data.cam_xmat[0].reshape(3, 3)[:, 2]
    distance = max(float(forward @ (center - position)), 0.1 * model.stat.extent)
    return position, position + distance * forward, float(np.radians(model.cam_fovy[0]))
