"""Coordinates: names, and that the two maps are inverse to each other and agree with MuJoCo's tangent space."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gpc_ros.coordinates import Coordinates
from gpc_ros.errors import InvalidModel

_CHAIN = """<mujoco><worldbody>
  <body name="a"><freejoint name="base"/><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
    <body name="b"><joint name="elbow" type="hinge" axis="0 1 0"/><inertial pos="0 0 1" mass="1" diaginertia="1 1 1"/>
      <body name="c"><joint name="ball" type="ball"/><inertial pos="0 0 1" mass="1" diaginertia="1 1 1"/></body>
    </body></body>
  <body name="d"><joint name="rail" type="slide"/><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/></body>
</worldbody></mujoco>"""


@pytest.fixture(scope="module")
def chain() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(_CHAIN)


def test_names_follow_the_degrees_of_freedom(chain):
    base = [f"base/{axis}" for axis in ("x", "y", "z", "rx", "ry", "rz")]
    assert Coordinates(chain).names == (*base, "elbow", "ball/rx", "ball/ry", "ball/rz", "rail")


def test_there_and_back_is_the_same_pose(chain):
    coordinates, rng = Coordinates(chain), np.random.default_rng(0)
    for _ in range(200):
        qpos = rng.normal(size=chain.nq)
        mujoco.mj_normalizeQuat(chain, qpos)
        back = coordinates.from_tangent(coordinates.to_tangent(qpos))
        difference = np.zeros(chain.nv)
        mujoco.mj_differentiatePos(chain, difference, 1.0, qpos, back)
        assert np.abs(difference).max() < 1e-12


def test_rotation_vectors_agree_with_scipy(chain):
    rng = np.random.default_rng(1)
    for angle in (0.0, 1e-9, 0.3, np.pi - 1e-6):
        axis = rng.normal(size=3)
        rotation = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis))
        qpos = chain.qpos0.copy()
        qpos[3:7] = rotation.as_quat(scalar_first=True)
        np.testing.assert_allclose(Coordinates(chain).to_tangent(qpos)[3:6], rotation.as_rotvec(), atol=1e-9)


def test_opposite_quaternions_are_one_pose(chain):
    qpos = chain.qpos0.copy()
    qpos[3:7] = Rotation.from_rotvec([0.4, -0.2, 0.9]).as_quat(scalar_first=True)
    opposite = qpos.copy()
    opposite[3:7] *= -1
    coordinates = Coordinates(chain)
    np.testing.assert_allclose(coordinates.to_tangent(qpos), coordinates.to_tangent(opposite), atol=1e-12)


def test_without_quaternions_it_is_a_copy_bit_for_bit():
    model = mujoco.MjModel.from_xml_string(
        '<mujoco><worldbody><body><joint name="j"/><geom size="1"/></body></worldbody></mujoco>'
    )
    coordinates, qpos = Coordinates(model), np.array([0.1 + 0.2])
    for convert in (coordinates.to_tangent, coordinates.from_tangent):
        converted = convert(qpos)
        assert converted.tobytes() == qpos.tobytes()
        assert not np.shares_memory(converted, qpos)


def test_a_joint_without_name_is_refused():
    model = mujoco.MjModel.from_xml_string(
        '<mujoco><worldbody><body name="arm"><joint/><geom size="1"/></body></worldbody></mujoco>'
    )
    with pytest.raises(InvalidModel, match="body 'arm' has no name"):
        Coordinates(model)


def test_two_coordinates_of_one_name_are_refused():
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><worldbody><body><joint name="a/rx"/><geom size="1"/></body>
        <body><joint name="a" type="ball"/><geom size="1"/></body></worldbody></mujoco>"""
    )
    with pytest.raises(InvalidModel, match=r"same name.*a/rx"):
        Coordinates(model)
