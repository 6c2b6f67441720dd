"""The robot as URDF, made from its MuJoCo model: links and joints have the names of bodies and joints.

MuJoCo lets a body have several joints, each anywhere on it; URDF has one joint between two links, at the origin of the
second. So bodies whose joints are elsewhere, or several, hang on links without form or mass. What URDF does not know
is drawn by what it knows: a capsule as cylinder and spheres, an ellipsoid as the ball of its volume.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

import mujoco
import numpy as np

from gpc_ros.signals import Array
from gpc_ros.viz.geometry import Shape, shapes

WORLD = "world"
"""The root link."""
_NO_LIMIT = "1000"  # URDF wants limits of effort and velocity, which MuJoCo does not have
_FAR_M = "1000"
_THIN_M = 0.001
_HINGE, _SLIDE = int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)


@dataclass(frozen=True, slots=True)
class _Pose:
    """A frame in another: position (3,) [m], quaternion (4,)."""

    position: Array
    quat_wxyz: Array

    @staticmethod
    def at(position: Array) -> _Pose:
        return _Pose(np.asarray(position, dtype=float), np.array([1.0, 0.0, 0.0, 0.0]))

    @staticmethod
    def turned(axis: Array, angle_rad: float) -> _Pose:
        quat_wxyz = np.empty(4)
        mujoco.mju_axisAngle2Quat(quat_wxyz, axis, angle_rad)
        return _Pose(np.zeros(3), quat_wxyz)

    def then(self, other: _Pose) -> _Pose:
        """``other``, given in this frame, in the frame that this one is given in."""
        position, quat_wxyz = np.empty(3), np.empty(4)
        mujoco.mju_mulPose(position, quat_wxyz, self.position, self.quat_wxyz, other.position, other.quat_wxyz)
        return _Pose(position, quat_wxyz)


def link_names(model: mujoco.MjModel) -> list[str]:
    """The link of each body, the world first."""
    return [WORLD, *(model.body(body).name or f"body_{body}" for body in range(1, model.nbody))]


def urdf(model: mujoco.MjModel, name: str) -> str:
    """``model`` as URDF of a robot ``name``; free and ball joints are ``floating``, other joints keep their zero."""
    root = ET.Element("robot", name=name)
    links, found = link_names(model), shapes(model)
    for body, link_name in enumerate(links):
        link = ET.SubElement(root, "link", name=link_name)
        if body and model.body_mass[body] > 0:
            _inertial(link, model, body)
        for shape in found:
            if shape.body == body:
                _visual(link, model, shape)
    for body in range(1, model.nbody):
        _joints(root, model, body, links)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")


def _joints(root: ET.Element, model: mujoco.MjModel, body: int, links: list[str]) -> None:
    """The chain from the parent's link to the body's."""
    parent, here = links[model.body_parentid[body]], _Pose(model.body_pos[body], model.body_quat[body])
    first = int(model.body_jntadr[body])
    joints = range(first, first + int(model.body_jntnum[body]))
    if model.body_mocapid[body] >= 0 or any(model.jnt_type[joint] not in (_HINGE, _SLIDE) for joint in joints):
        name = model.joint(first).name if joints else f"{links[body]}_joint"
        _joint(root, name, "floating", parent, links[body], here)
        return
    anchor = np.zeros(3)  # in the body: where the link that was reached stands
    for joint in joints:
        origin = here.then(_Pose.at(model.jnt_pos[joint] - anchor)).then(_zero(model, joint))
        anchor, here = model.jnt_pos[joint], _Pose.at(np.zeros(3))
        last = joint == joints[-1] and not anchor.any()
        child = links[body] if last else f"{model.joint(joint).name}_joint_link"
        if not last:
            ET.SubElement(root, "link", name=child)
        _moving(_joint(root, model.joint(joint).name, _kind(model, joint), parent, child, origin), model, joint)
        parent = child
    if parent != links[body] and (not joints or anchor.any()):
        _joint(root, f"{links[body]}_joint", "fixed", parent, links[body], here.then(_Pose.at(-anchor)))


def _kind(model: mujoco.MjModel, joint: int) -> str:
    if model.jnt_type[joint] == _SLIDE:
        return "prismatic"
    return "revolute" if model.jnt_limited[joint] else "continuous"


def _zero(model: mujoco.MjModel, joint: int) -> _Pose:
    """Where the joint's own zero is: its body is given at ``qpos0``, which need not be zero."""
    offset, axis = -float(model.qpos0[model.jnt_qposadr[joint]]), model.jnt_axis[joint]
    return _Pose.at(offset * axis) if model.jnt_type[joint] == _SLIDE else _Pose.turned(axis, offset)


def _joint(root: ET.Element, name: str, kind: str, parent: str, child: str, origin: _Pose) -> ET.Element:
    joint = ET.SubElement(root, "joint", name=name, type=kind)
    ET.SubElement(joint, "parent", link=parent)
    ET.SubElement(joint, "child", link=child)
    _origin(joint, origin)
    return joint


def _moving(element: ET.Element, model: mujoco.MjModel, joint: int) -> None:
    ET.SubElement(element, "axis", xyz=_text(model.jnt_axis[joint]))
    low, high = (_number(value) for value in model.jnt_range[joint])
    if not model.jnt_limited[joint]:
        low, high = f"-{_FAR_M}", _FAR_M
    if element.get("type") != "continuous":
        ET.SubElement(element, "limit", lower=low, upper=high, effort=_NO_LIMIT, velocity=_NO_LIMIT)
    damping = float(model.dof_damping[model.jnt_dofadr[joint]])
    ET.SubElement(element, "dynamics", damping=_number(damping))


def _inertial(link: ET.Element, model: mujoco.MjModel, body: int) -> None:
    inertial = ET.SubElement(link, "inertial")
    _origin(inertial, _Pose(model.body_ipos[body], model.body_iquat[body]))
    ET.SubElement(inertial, "mass", value=_number(model.body_mass[body]))
    ixx, iyy, izz = map(_number, model.body_inertia[body])
    ET.SubElement(inertial, "inertia", ixx=ixx, iyy=iyy, izz=izz, ixy="0", ixz="0", iyz="0")


def _visual(link: ET.Element, model: mujoco.MjModel, shape: Shape) -> None:
    here = _Pose(model.geom_pos[shape.geom], model.geom_quat[shape.geom])
    for part, (form, values, height_m) in enumerate(_forms(shape)):
        visual = ET.SubElement(link, "visual", name=f"{shape.name} {part}" if part else shape.name)
        _origin(visual, here.then(_Pose.at(np.array([0.0, 0.0, height_m]))))
        ET.SubElement(ET.SubElement(visual, "geometry"), form, values)
        material = ET.SubElement(visual, "material", name=f"rgba {_text(np.array(shape.rgba))}")
        ET.SubElement(material, "color", rgba=_text(np.array(shape.rgba)))


def _forms(shape: Shape) -> list[tuple[str, dict[str, str], float]]:
    """URDF's forms that make up a shape: name, sizes, height along its z axis [m]."""
    x, y, z = shape.size
    ball, tube = {"radius": _number(x)}, {"radius": _number(x), "length": _number(2 * y)}
    match shape.kind:
        case "sphere":
            return [("sphere", ball, 0.0)]
        case "ellipsoid":
            return [("sphere", {"radius": _number(np.cbrt(x * y * z))}, 0.0)]
        case "cylinder":
            return [("cylinder", tube, 0.0)]
        case "capsule":
            return [("cylinder", tube, 0.0), ("sphere", ball, y), ("sphere", ball, -y)]
        case "plane":
            return [("box", {"size": _text(np.array([2 * x, 2 * y, _THIN_M]))}, -_THIN_M / 2)]
        case _:
            return [("box", {"size": _text(2 * np.array([x, y, z]))}, 0.0)]


def _origin(element: ET.Element, pose: _Pose) -> None:
    ET.SubElement(element, "origin", xyz=_text(pose.position), rpy=_text(_rpy(pose.quat_wxyz)))


def _rpy(quat_wxyz: Array) -> Array:
    """Roll, pitch and yaw [rad] about the fixed axes x, y, z."""
    flat = np.empty(9)
    mujoco.mju_quat2Mat(flat, quat_wxyz)
    turn = flat.reshape(3, 3)
    pitch = np.arctan2(-turn[2, 0], np.hypot(turn[0, 0], turn[1, 0]))
    if np.hypot(turn[0, 0], turn[1, 0]) < 1e-9:  # straight up or down: yaw and roll turn about one axis
        return np.array([np.arctan2(-turn[1, 2], turn[1, 1]), pitch, 0.0])
    return np.array([np.arctan2(turn[2, 1], turn[2, 2]), pitch, np.arctan2(turn[1, 0], turn[0, 0])])


def _number(value: float) -> str:
    return f"{value + 0.0:.12g}"  # no negative zero


def _text(values: Array) -> str:
    return " ".join(map(_number, values))
