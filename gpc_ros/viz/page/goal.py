"""The goal as a handle that the mouse moves."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from gpc_ros.signals import Array
from gpc_ros.viz.geometry import GOAL


class GoalHandle:
    """A handle at the goal (ng,) [m] of a task that has one, ``below`` the node of that name.

    A goal in the plane keeps the height of the model's mark, or of the floor.
    """

    def __init__(self, scene: Any, model: mujoco.MjModel, goal: Array, *, below: str = "") -> None:
        self._wanted: Array | None = None
        self._size = min(len(goal), 3)
        mark = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, GOAL)
        self._height = 0.0 if mark < 0 else float(model.body_pos[mark, 2])
        self._rest = goal[self._size :]
        self._held = False
        self._handle = scene.add_transform_controls(
            f"{below}/goal",
            0.12 * float(model.stat.extent),
            active_axes=(True, True, self._size > 2),
            disable_rotations=True,
            depth_test=False,
            position=self._position(goal),
        )
        self._handle.on_update(self._on_update)

    def take(self) -> Array | None:
        """The goal (ng,) that the mouse has made since the last time; of several the last."""
        wanted, self._wanted = self._wanted, None
        return wanted

    def show(self, goal: Array) -> None:
        """Move the handle to where the goal is, unless the mouse has it."""
        if not self._held:
            self._rest = goal[self._size :]
            self._handle.position = self._position(goal)

    def _position(self, goal: Array) -> tuple[float, float, float]:
        x, y, z = (float(value) for value in (*goal[: self._size], *(0.0, 0.0, self._height)[self._size :]))
        return x, y, z

    async def _on_update(self, event: Any) -> None:
        self._held = event.phase != "end"
        self._wanted = np.concatenate((self._handle.position[: self._size], self._rest))
