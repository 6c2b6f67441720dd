"""The robot in the scene: each shape once, and one pose for each body that moves."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from gpc_ros.signals import Array
from gpc_ros.tasks.base import Task
from gpc_ros.viz.geometry import Kinematics, Shape, shapes
from gpc_ros.viz.page import meshes

_GHOST_RGB = (70, 130, 180)
_GHOST_OPACITY = 0.35
_SEEN = 0.003  # share of the model's extent, and
_SEEN_RAD = 0.03  # angle, from which on two poses look different


class Robot:
    """The shapes of a robot below ``name`` in viser's ``scene``; as a ghost, those that move, in one pale colour."""

    def __init__(self, scene: Any, task: Task, name: str, *, ghost: bool = False) -> None:
        model = task.model
        self._kinematics = Kinematics(model, task.goal_names)
        self._seen_m = _SEEN * float(model.stat.extent)
        self._shown: Array | None = None
        self._goal: Array | None = None
        self._bodies: dict[int, Any] = {}
        self._floors: list[tuple[Any, Array, float]] = []  # node, where it is in the model, distance of its lines
        for shape in shapes(model):
            if ghost and (shape.fixed or model.body_mocapid[model.body_rootid[shape.body]] >= 0):
                continue
            body = f"{name}/body {shape.body}"
            if shape.body not in self._bodies:
                self._bodies[shape.body] = scene.add_frame(body, show_axes=False)
            node = _add(scene, f"{body}/{shape.name}", shape, model, ghost=ghost)
            if shape.kind == "plane":
                self._floors.append((node, model.geom_pos[shape.geom].copy(), node.section_size))
        self.positions, _ = self._kinematics.bodies(np.array(model.qpos0))
        """Where the bodies are now (nbody, 3) [m]."""
        self.show(np.array(model.qpos0))

    def show(self, qpos: Array) -> None:
        """Move the bodies to ``qpos`` (nq,), if that is news."""
        if self._shown is not None and np.array_equal(qpos, self._shown):
            return
        self._shown = qpos
        self.positions, quats_wxyz = self._kinematics.bodies(qpos)
        for body, frame in self._bodies.items():
            frame.position, frame.wxyz = self.positions[body], quats_wxyz[body]

    def carry_floor(self, away: Array) -> None:
        """Have the floor below a robot that has gone ``away`` (3,) [m], by whole cells: its lines seem to stay."""
        for floor, place, cell_m in self._floors:
            floor.position = place + cell_m * np.round(away / cell_m)

    def differs(self, one: Array, other: Array) -> bool:
        """Whether the robot at ``one`` (nq,) can be told by the eye from that at ``other``."""
        here, attitude = self._kinematics.poses(one)
        there, other_attitude = self._kinematics.poses(other)
        apart = np.abs(here - there).max(initial=0.0) > self._seen_m
        aligned = np.abs(np.einsum("si,si->s", attitude, other_attitude)).min(initial=1.0)
        return bool(apart or aligned < np.cos(0.5 * _SEEN_RAD))

    def place_goal(self, goal: Array) -> None:
        """Move the mark of the goal, where the model has one, with the next state."""
        if self._goal is None or not np.array_equal(goal, self._goal):
            self._goal, self._shown = goal, None
            self._kinematics.place_goal(goal)

    def set_visible(self, *, visible: bool) -> None:
        """Show or hide all of it."""
        for frame in self._bodies.values():
            if frame.visible != visible:
                frame.visible = visible


def _add(scene: Any, name: str, shape: Shape, model: mujoco.MjModel, *, ghost: bool) -> Any:
    colour = _GHOST_RGB if ghost else tuple(round(255 * value) for value in shape.rgba[:3])
    opacity = _GHOST_OPACITY if ghost else (shape.rgba[3] if shape.rgba[3] < 1 else None)
    place = {"position": model.geom_pos[shape.geom], "wxyz": model.geom_quat[shape.geom]}
    look = {"color": colour, "opacity": opacity, "cast_shadow": not ghost, "receive_shadow": not ghost, **place}
    radius, half_length, _ = shape.size
    if shape.kind == "plane":
        return _add_floor(scene, name, shape, place, float(model.stat.extent))
    if shape.kind == "sphere":
        return scene.add_icosphere(name, radius, **look)
    if shape.kind == "ellipsoid":
        return scene.add_icosphere(name, 1.0, scale=shape.size, **look)
    if shape.kind == "cylinder":
        return scene.add_cylinder(name, radius, 2 * half_length, **look)
    if shape.kind == "capsule":
        return scene.add_mesh_simple(name, *meshes.capsule(radius, half_length), **look)
    return scene.add_box(name, dimensions=tuple(2 * size for size in shape.size), **look)


def _add_floor(scene: Any, name: str, shape: Shape, place: dict[str, Any], extent: float) -> Any:
    width, depth, _ = shape.size
    cell_m = 0.5 * 10.0 ** np.floor(np.log10(extent))
    return scene.add_grid(
        name,
        2 * width,
        2 * depth,
        cell_size=cell_m,
        section_size=2 * cell_m,
        cell_color=(214, 220, 226),
        section_color=(190, 198, 206),
        plane_color=(242, 244, 246),
        plane_opacity=1.0,
        shadow_opacity=0.25,
        fade_strength=1.0,
        **place,
    )
