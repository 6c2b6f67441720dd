"""Keeps a robot that travels in view: the world moves below it, and the floor never ends."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from gpc_ros.viz.page.camera import tracked_body
from gpc_ros.viz.page.robot import Robot

WORLD = "/world"
"""The node that everything in the scene is below."""


class Follower:
    """Moves ``WORLD`` in viser's ``scene`` with the body that the model's camera tracks, if one does."""

    def __init__(self, scene: Any, model: mujoco.MjModel, robot: Robot) -> None:
        self._robot = robot
        self._body = tracked_body(model)
        self._start = robot.positions[self._body].copy()
        self._world = scene.add_frame(WORLD, show_axes=False)

    def show(self) -> None:
        """After the robot has moved."""
        if self._body:
            away = (self._robot.positions[self._body] - self._start) * (1.0, 1.0, 0.0)
            self._world.position = np.negative(away)
            self._robot.carry_floor(away)
