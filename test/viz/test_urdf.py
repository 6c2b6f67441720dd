"""The URDF moves as the MuJoCo model does, and is what readers of URDF expect."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gpc_ros import registry
from gpc_ros.tasks.base import Task
from gpc_ros.viz.geometry import shapes
from gpc_ros.viz.urdf import link_names, urdf

MANY = """
<mujoco><compiler angle="radian"/><worldbody>
  <geom type="plane" size="0 0 1"/>
  <body name="goal" mocap="true" pos="0 0 0.5"><geom type="sphere" size="0.1"/></body>
  <body name="trunk" pos="1 2 3" euler="0.1 0.2 0.3">
    <joint name="x" type="slide" axis="1 0 0" limited="true" range="-1 2" damping="0.5"/>
    <joint name="z" type="slide" axis="0.6 0 0.8" ref="0.7"/>
    <joint name="pitch" axis="0 1 0" pos="0.1 0.2 0.3"/>
    <geom type="box" size="0.1 0.2 0.3"/>
    <body name="arm" pos="0 0 1" euler="0 1.5707963267948966 0">
      <joint name="shoulder" axis="0 0.6 0.8" pos="0 0 0.4" ref="0.3"/>
      <joint name="twist" axis="1 0 0"/>
      <geom type="capsule" size="0.1 0.4" pos="0 0 0.2"/>
      <geom type="ellipsoid" size="0.1 0.2 0.3"/>
      <body pos="0 0 0.5" euler="0.3 0 0"><geom type="cylinder" size="0.1 0.4"/>
        <body name="tip" pos="0.2 0 0"><joint name="tip"/><geom type="sphere" size="0.1"/></body>
      </body>
    </body>
  </body>
  <body name="loose" pos="5 0 0"><freejoint name="loose"/><geom type="sphere" size="0.1"/>
    <body name="head" pos="0 0 1"><joint name="neck" type="ball"/><geom type="sphere" size="0.1"/></body>
  </body>
</worldbody></mujoco>
"""


def pose(element: ET.Element) -> np.ndarray:
    origin = element.find("origin")
    assert origin is not None
    found = np.eye(4)
    found[:3, 3] = [float(v) for v in origin.attrib["xyz"].split()]
    found[:3, :3] = Rotation.from_euler("xyz", [float(v) for v in origin.attrib["rpy"].split()]).as_matrix()
    return found


def moved(joint: ET.Element, value: float) -> np.ndarray:
    """The motion of a joint by ``value`` [rad or m], as URDF says."""
    found = np.eye(4)
    if joint.attrib["type"] in ("fixed", "floating"):
        return found
    axis = np.array([float(v) for v in joint.find("axis").attrib["xyz"].split()])
    if joint.attrib["type"] == "prismatic":
        found[:3, 3] = value * axis
    else:
        found[:3, :3] = Rotation.from_rotvec(value * axis / np.linalg.norm(axis)).as_matrix()
    return found


def frames(robot: ET.Element, values: dict[str, float]) -> dict[str, np.ndarray]:
    """Every link in the root link."""
    found = {"world": np.eye(4)}
    waiting = list(robot.iter("joint"))
    while waiting:
        ready = [joint for joint in waiting if joint.find("parent").attrib["link"] in found]
        assert ready, "links that do not hang together"
        for joint in ready:
            motion = moved(joint, values.get(joint.attrib["name"], 0.0))
            child = joint.find("child").attrib["link"]
            assert child not in found, "a link with two parents"
            found[child] = found[joint.find("parent").attrib["link"]] @ pose(joint) @ motion
            waiting.remove(joint)
    return found


MODELS = {name: registry.load("tasks", name, Task)().model for name in registry.names("tasks")}
MODELS["many"] = mujoco.MjModel.from_xml_string(MANY)


@pytest.mark.parametrize("name", MODELS)
def test_links_are_where_the_bodies_are(name: str) -> None:
    model, rng = MODELS[name], np.random.default_rng(0)
    robot, data = ET.fromstring(urdf(model, name)), mujoco.MjData(MODELS[name])
    scalar = [j for j in range(model.njnt) if model.jnt_type[j] >= int(mujoco.mjtJoint.mjJNT_SLIDE)]
    for _ in range(3):
        data.qpos[:] = model.qpos0
        values = {}
        for joint in scalar:
            data.qpos[model.jnt_qposadr[joint]] = values[model.joint(joint).name] = rng.uniform(-1, 1)
        mujoco.mj_kinematics(model, data)
        found = frames(robot, values)
        for body, link in enumerate(link_names(model)):
            np.testing.assert_allclose(found[link][:3, 3], data.xpos[body], atol=1e-9)
            np.testing.assert_allclose(found[link][:3, :3], data.xmat[body].reshape(3, 3), atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_names_are_unique_and_each_link_has_one_way_to_the_root(name: str) -> None:
    robot = ET.fromstring(urdf(MODELS[name], name))
    for kind in ("link", "joint"):
        names = [element.attrib["name"] for element in robot.findall(kind)]
        assert len(set(names)) == len(names)
    assert len(robot.findall("link")) == len(robot.findall("joint")) + 1
    assert robot.attrib["name"] == name


@pytest.mark.parametrize("name", MODELS)
def test_visuals_are_where_the_shapes_are(name: str) -> None:
    model = MODELS[name]
    robot, data = ET.fromstring(urdf(model, name)), mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    links, names = {link.attrib["name"]: link for link in robot.findall("link")}, link_names(model)
    found = frames(robot, {model.joint(j).name: float(model.qpos0[model.jnt_qposadr[j]]) for j in range(model.njnt)})
    for shape in shapes(model):
        visual = next(v for v in links[names[shape.body]].iter("visual") if v.attrib["name"] == shape.name)
        place = found[names[shape.body]] @ pose(visual)
        offset = 0.001 if shape.kind == "plane" else 1e-9
        np.testing.assert_allclose(place[:3, 3], data.geom_xpos[shape.geom], atol=offset)
        np.testing.assert_allclose(place[:3, :3], data.geom_xmat[shape.geom].reshape(3, 3), atol=1e-9)


def test_joints_are_what_they_are_in_the_model() -> None:
    robot = ET.fromstring(urdf(MODELS["many"], "many"))
    kinds = {joint.attrib["name"]: joint.attrib["type"] for joint in robot.iter("joint")}
    for name in ("x", "z"):
        assert kinds[name] == "prismatic"
    for name in ("pitch", "tip"):
        assert kinds[name] == "continuous"
    for name in ("loose", "neck", "goal_joint"):
        assert kinds[name] == "floating"
    limits = {joint.attrib["name"]: joint.find("limit") for joint in robot.iter("joint")}
    assert limits["x"] is not None
    assert (limits["x"].attrib["lower"], limits["x"].attrib["upper"]) == ("-1", "2")
    assert limits["pitch"] is None


def test_masses_are_those_of_the_model() -> None:
    model = MODELS["many"]
    robot = ET.fromstring(urdf(model, "many"))
    masses = sum(float(mass.attrib["value"]) for mass in robot.iter("mass"))
    assert masses == pytest.approx(model.body_mass[[i for i in range(model.nbody) if i]].sum(), rel=1e-9)


def test_forms_and_sizes() -> None:
    robot = ET.fromstring(urdf(MODELS["many"], "many"))
    arm = next(link for link in robot.findall("link") if link.attrib["name"] == "arm")
    found = [(form.tag, dict(form.attrib)) for geometry in arm.iter("geometry") for form in geometry]
    assert found[0] == ("cylinder", {"radius": "0.1", "length": "0.8"})
    assert found[1] == found[2] == ("sphere", {"radius": "0.1"})
    assert (found[3][0], float(found[3][1]["radius"])) == ("sphere", pytest.approx(0.006 ** (1 / 3)))
