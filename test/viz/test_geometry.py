"""The shapes are where MuJoCo has them."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from gpc_ros import registry
from gpc_ros.tasks.base import Task
from gpc_ros.viz.geometry import Kinematics, shapes

ROBOTS = registry.names("tasks")
MANY = """
<mujoco>
  <asset>
    <texture name="half" type="2d" builtin="flat" rgb1="0.5 0.5 0.5" width="8" height="8"/>
    <material name="red" rgba="1 0 0 1"/>
    <material name="tiles" texture="half"/>
    <mesh name="tetra" vertex="0 0 0  1 0 0  0 1 0  0 0 1"/>
  </asset>
  <worldbody>
    <geom name="floor" type="plane" size="0 3 1" material="tiles"/>
    <body name="goal" mocap="true" pos="0 0 0.5"><geom name="mark" type="sphere" size="0.1"/></body>
    <body name="base">
      <freejoint name="base"/>
      <geom name="ellipsoid" type="ellipsoid" size="0.1 0.2 0.3" material="red"/>
      <geom name="own" type="box" size="0.1 0.2 0.3" material="red" rgba="0 1 0 0.5"/>
      <geom name="capsule" fromto="0 0 0 1 0 0" type="capsule" size="0.1"/>
      <geom type="cylinder" size="0.1 0.4"/>
      <geom name="mesh" type="mesh" mesh="tetra"/>
      <geom name="hidden" type="sphere" size="1" group="3"/>
      <geom name="clear" type="sphere" size="1" rgba="1 1 1 0"/>
      <body name="rigid" pos="0 0 1"><geom name="rigid" type="sphere" size="0.1"/></body>
    </body>
    <body name="post"><geom name="post" type="box" size="1 1 1"/></body>
  </worldbody>
</mujoco>
"""


@pytest.fixture
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(MANY)


@pytest.mark.parametrize("robot", ROBOTS)
def test_shapes_are_where_the_simulation_has_them(robot: str) -> None:
    task = registry.load("tasks", robot, Task)()
    found, kinematics, rng = shapes(task.model), Kinematics(task.model), np.random.default_rng(0)
    data = mujoco.MjData(task.model)
    assert found
    for _ in range(3):
        data.qpos[:] = task.reset(rng).qpos
        mujoco.mj_forward(task.model, data)
        positions, quats_wxyz = kinematics.poses(data.qpos)
        for shape, position, quat_wxyz in zip(found, positions, quats_wxyz, strict=True):
            turned = np.empty(9)
            mujoco.mju_quat2Mat(turned, quat_wxyz)
            np.testing.assert_allclose(position, data.geom_xpos[shape.geom], atol=1e-12)
            np.testing.assert_allclose(turned, data.geom_xmat[shape.geom], atol=1e-9)
        positions, quats_wxyz = kinematics.bodies(data.qpos)
        np.testing.assert_allclose(positions, data.xpos, atol=1e-12)
        np.testing.assert_allclose(quats_wxyz, data.xquat, atol=1e-12)


def test_what_is_given_out_is_not_overwritten(model: mujoco.MjModel) -> None:
    kinematics = Kinematics(model)
    first = kinematics.poses(model.qpos0)
    kept = [values.copy() for values in first]
    kinematics.poses(model.qpos0 + 1.0)
    for values, before in zip(first, kept, strict=True):
        np.testing.assert_array_equal(values, before)


def test_hidden_shapes_are_not_shown(model: mujoco.MjModel) -> None:
    names = [shape.name for shape in shapes(model)]
    assert {"hidden", "clear"}.isdisjoint(names)
    assert names == ["floor", "mark", "ellipsoid", "own", "capsule", "geom 5", "mesh", "rigid", "post"]


def test_kinds_sizes_and_colours(model: mujoco.MjModel) -> None:
    found = {shape.name: shape for shape in shapes(model)}
    assert (found["floor"].kind, found["floor"].size) == ("plane", (10.0, 3.0, 0.0))
    assert (found["ellipsoid"].kind, found["ellipsoid"].size) == ("ellipsoid", (0.1, 0.2, 0.3))
    assert (found["capsule"].kind, found["capsule"].size[:2]) == ("capsule", (0.1, 0.5))
    assert found["mesh"].kind == "box"
    assert min(found["mesh"].size) > 0
    assert found["ellipsoid"].rgba == (1.0, 0.0, 0.0, 1.0)
    assert found["own"].rgba == (0.0, 1.0, 0.0, 0.5)
    assert found["floor"].rgba == pytest.approx((0.5, 0.5, 0.5, 1.0), abs=0.01)


def test_only_what_cannot_move_is_fixed(model: mujoco.MjModel) -> None:
    assert [shape.name for shape in shapes(model) if shape.fixed] == ["floor", "post"]


def test_a_goal_is_shown_where_it_is(model: mujoco.MjModel) -> None:
    kinematics, index = Kinematics(model), [shape.name for shape in shapes(model)].index("mark")
    assert kinematics.poses(model.qpos0)[0][index].tolist() == [0.0, 0.0, 0.5]
    kinematics.place_goal(np.array([0.1, -0.2]))
    assert kinematics.poses(model.qpos0)[0][index].tolist() == [0.1, -0.2, 0.5]
    kinematics.place_goal(np.array([0.1, -0.2, 0.3]))
    assert kinematics.poses(model.qpos0)[0][index].tolist() == [0.1, -0.2, 0.3]


def test_a_goal_can_be_turned(model: mujoco.MjModel) -> None:
    kinematics, index = Kinematics(model, ("x", "y", "yaw")), [shape.name for shape in shapes(model)].index("mark")
    kinematics.place_goal(np.array([0.1, -0.2, 0.5]))
    positions, quats_wxyz = kinematics.poses(model.qpos0)
    assert positions[index].tolist() == [0.1, -0.2, 0.5]
    np.testing.assert_allclose(quats_wxyz[index], [np.cos(0.25), 0.0, 0.0, np.sin(0.25)])


def test_a_goal_that_is_no_place_is_not_shown(model: mujoco.MjModel) -> None:
    kinematics = Kinematics(model, ("speed",))
    before = kinematics.poses(model.qpos0)[0]
    kinematics.place_goal(np.array([3.0]))
    np.testing.assert_array_equal(kinematics.poses(model.qpos0)[0], before)


def test_a_model_without_a_body_for_the_goal_takes_one_in_silence() -> None:
    model = registry.load("tasks", "cart_pole", Task)().model
    Kinematics(model).place_goal(np.zeros(2))
