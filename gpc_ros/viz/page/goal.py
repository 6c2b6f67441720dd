"""The goal: a handle that the mouse moves where it is a place, sliders where it is something else."""

from __future__ import annotations

import math
from typing import Any, Protocol

import mujoco
import numpy as np

from gpc_ros.signals import Array
from gpc_ros.tasks.base import Task
from gpc_ros.viz.geometry import GOAL

_AXES = ("x", "y", "z")
_YAW = "yaw"


class GoalControl(Protocol):
    """What both are."""

    def take(self) -> Array | None:
        """The goal (ng,) that a browser has made since the last time; of several the last."""

    def show(self, goal: Array) -> None:
        """Show where the goal (ng,) is, if that is news, unless a browser is moving it."""


def goal_control(task: Task, scene: Any, gui: Any, *, below: str = "") -> GoalControl | None:
    """What fits the goal of ``task``, in viser's ``scene`` (``below`` a node) or ``gui``; None for one without."""
    names = task.goal_names[: len(task.goal)]
    if not names:
        return None
    if set(names) <= {*_AXES, _YAW}:
        return GoalHandle(scene, task.model, names, np.array(task.goal), below=below)
    return GoalSliders(gui, names, task.goal)


class GoalHandle:
    """A handle at a goal whose numbers (ng,) are ``names``: x, y, z [m] and yaw [rad].

    A goal in the plane keeps the height of the model's mark, or of the floor.
    """

    def __init__(
        self, scene: Any, model: mujoco.MjModel, names: tuple[str, ...], goal: Array, *, below: str = ""
    ) -> None:
        self._names = names
        self._wanted: Array | None = None
        self._held = False
        mark = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, GOAL)
        self._rest = np.zeros(3) if mark < 0 else model.body_pos[mark].copy()
        self._handle = scene.add_transform_controls(
            f"{below}/goal",
            0.12 * float(model.stat.extent),
            active_axes=tuple(axis in names for axis in _AXES),
            disable_rotations=_YAW not in names,
            depth_test=False,
        )
        self._place(goal)
        self._handle.on_update(self._on_update)

    def take(self) -> Array | None:
        """The goal (ng,) that the mouse has made since the last time; of several the last."""
        wanted, self._wanted = self._wanted, None
        return wanted

    def show(self, goal: Array) -> None:
        """Move the handle to where the goal is, unless the mouse has it."""
        if not self._held and not np.array_equal(goal, self._shown):
            self._place(goal)

    def _place(self, goal: Array) -> None:
        self._shown = goal
        values = dict(zip(self._names, goal, strict=True))
        half = 0.5 * float(values.get(_YAW, 0.0))
        self._handle.position = [values.get(axis, rest) for axis, rest in zip(_AXES, self._rest, strict=True)]
        self._handle.wxyz = (math.cos(half), 0.0, 0.0, math.sin(half))

    async def _on_update(self, event: Any) -> None:
        self._held = event.phase != "end"
        w, _, _, z = self._handle.wxyz
        values = {**dict(zip(_AXES, self._handle.position, strict=True)), _YAW: 2.0 * math.atan2(z, w)}
        self._wanted = np.array([float(values[name]) for name in self._names])


class GoalSliders:
    """A slider in viser's ``gui`` for each number of a goal that is no place, as a speed; twice the usual at most."""

    def __init__(self, gui: Any, names: tuple[str, ...], goal: tuple[float, ...]) -> None:
        self._wanted: Array | None = None
        self._shown = np.array(goal)
        self._sliders = []
        for name, value in zip(names, goal, strict=True):
            most = max(2.0 * abs(value), 1.0)
            self._sliders.append(gui.add_slider(f"Goal: {name}", -most, most, most / 50, value))
            self._sliders[-1].on_update(self._on_update)

    def take(self) -> Array | None:
        """The goal (ng,) that a browser has made since the last time."""
        wanted, self._wanted = self._wanted, None
        return wanted

    def show(self, goal: Array) -> None:
        """Set the sliders to where the goal is."""
        if self._wanted is None and not np.array_equal(goal, self._shown):
            self._shown = goal
            for slider, value in zip(self._sliders, goal.tolist(), strict=True):
                slider.max, slider.min = max(slider.max, value), min(slider.min, value)
                slider.value = value

    def _on_update(self, event: Any) -> None:
        if event.client is not None:
            self._wanted = np.array([slider.value for slider in self._sliders])
