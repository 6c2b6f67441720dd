"""What a robot looks like: the visible shapes of its MuJoCo model, and where they are in a state.

Letters: S shapes. World frame, SI units; quaternions are (w, x, y, z).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from gpc_ros.signals import Array

GOAL = "goal"
"""The mocap body that shows the goal, in models of tasks that have one."""
_AXES = ("x", "y", "z")
_FIRST_HIDDEN_GROUP = 3
_PLANE_M = 10.0  # half size at which a plane ends: neither RViz nor a browser draws an endless one
_DEFAULT_RGBA = (0.5, 0.5, 0.5, 1.0)  # of a geom that says nothing of its colour: then its material does
_KINDS = {
    mujoco.mjtGeom.mjGEOM_PLANE: "plane",
    mujoco.mjtGeom.mjGEOM_SPHERE: "sphere",
    mujoco.mjtGeom.mjGEOM_CAPSULE: "capsule",
    mujoco.mjtGeom.mjGEOM_CYLINDER: "cylinder",
    mujoco.mjtGeom.mjGEOM_ELLIPSOID: "ellipsoid",
    mujoco.mjtGeom.mjGEOM_BOX: "box",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A visible geom.

    ``kind`` is plane, sphere, capsule, cylinder, ellipsoid or box. ``size`` holds MuJoCo's half sizes [m]: radius
    first for sphere, capsule and cylinder, then the half length along z of the latter two; a plane's are along x, y.
    ``fixed`` shapes never move.
    """

    name: str
    kind: str
    size: tuple[float, float, float]
    rgba: tuple[float, float, float, float]
    geom: int
    body: int
    fixed: bool


def shapes(model: mujoco.MjModel) -> tuple[Shape, ...]:
    """The visible geoms, in the model's order: groups 0 to 2, not fully transparent; a mesh is shown as its box."""
    found = []
    for geom in range(model.ngeom):
        rgba = _rgba(model, geom)
        if model.geom_group[geom] >= _FIRST_HIDDEN_GROUP or rgba[3] <= 0:
            continue
        body = int(model.geom_bodyid[geom])
        kind = _KINDS.get(mujoco.mjtGeom(int(model.geom_type[geom])), "box")
        fixed = model.body_weldid[body] == 0 and model.body_mocapid[model.body_rootid[body]] < 0
        found.append(
            Shape(model.geom(geom).name or f"geom {geom}", kind, _size(model, geom), rgba, geom, body, bool(fixed))
        )
    return tuple(found)


class Kinematics:
    """Where the shapes and the bodies of ``model`` are. Keeps a state of its own: one for each thread.

    ``goal_names`` tells what the numbers of a goal are; x, y, z [m] and yaw [rad] are shown.
    """

    def __init__(self, model: mujoco.MjModel, goal_names: Sequence[str] = ("x", "y", "z")) -> None:
        self._model = model
        self._goal_names = tuple(goal_names)
        self._data = mujoco.MjData(model)
        found = shapes(model)
        self._geoms = np.array([shape.geom for shape in found], dtype=int)
        self._bodies = np.array([shape.body for shape in found], dtype=int)

    def place_goal(self, goal: Array) -> None:
        """Show ``goal`` (ng,) from now on; in a model without a body for it, nothing."""
        body = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_BODY, GOAL)
        if body < 0 or (mocap := self._model.body_mocapid[body]) < 0:
            return
        for name, value in zip(self._goal_names, goal, strict=False):
            if name in _AXES:
                self._data.mocap_pos[mocap, _AXES.index(name)] = value
            elif name == "yaw":
                self._data.mocap_quat[mocap] = (np.cos(value / 2), 0.0, 0.0, np.sin(value / 2))

    def poses(self, qpos: Array) -> tuple[Array, Array]:
        """Positions (S, 3) [m] and quaternions (S, 4) of the shapes at ``qpos`` (nq,)."""
        self._update(qpos)
        quats_wxyz = _product(self._data.xquat[self._bodies], self._model.geom_quat[self._geoms])
        return self._data.geom_xpos[self._geoms], quats_wxyz

    def bodies(self, qpos: Array) -> tuple[Array, Array]:
        """Positions (nbody, 3) [m] and quaternions (nbody, 4) of the bodies, the world first, at ``qpos`` (nq,)."""
        self._update(qpos)
        return self._data.xpos.copy(), self._data.xquat.copy()

    def _update(self, qpos: Array) -> None:
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)


def _rgba(model: mujoco.MjModel, geom: int) -> tuple[float, float, float, float]:
    """The geom's own colour, else its material's, which a texture tints."""
    rgba, material = model.geom_rgba[geom], int(model.geom_matid[geom])
    if material >= 0 and np.array_equal(rgba, _DEFAULT_RGBA):
        rgba = model.mat_rgba[material].copy()
        texture = int(model.mat_texid[material, mujoco.mjtTextureRole.mjTEXROLE_RGB])
        if texture >= 0:
            rgba[:3] *= _mean_colour(model, texture)
    r, g, b, a = map(float, rgba)
    return r, g, b, a


def _mean_colour(model: mujoco.MjModel, texture: int) -> Array:
    channels = int(model.tex_nchannel[texture])
    size = int(model.tex_height[texture] * model.tex_width[texture]) * channels
    begin = int(model.tex_adr[texture])
    pixels = model.tex_data[begin : begin + size].reshape(-1, channels)
    return np.broadcast_to(pixels[:, :3].mean(axis=0) / 255.0, 3)


def _size(model: mujoco.MjModel, geom: int) -> tuple[float, float, float]:
    x, y, z = map(float, model.geom_size[geom])
    if model.geom_type[geom] != mujoco.mjtGeom.mjGEOM_PLANE:
        return x, y, z
    return min(x or _PLANE_M, _PLANE_M), min(y or _PLANE_M, _PLANE_M), 0.0


def _product(a: Array, b: Array) -> Array:
    """Quaternion products (S, 4) of ``a`` (S, 4) and ``b`` (S, 4)."""
    (aw, ax, ay, az), (bw, bx, by, bz) = a.T, b.T
    return np.stack(
        (
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ),
        axis=-1,
    )
