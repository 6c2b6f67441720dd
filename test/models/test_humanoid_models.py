"""Both humanoids: compiled figures against those published, left against right, and how they stand or fall."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from gpc_ros import actuators
from gpc_ros.tasks.humanoid import Humanoid
from gpc_ros.tasks.humanoid_29 import Humanoid29

BOTH = pytest.mark.parametrize("kind", [Humanoid, Humanoid29], ids=lambda kind: kind().name)


def at_home(model):
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("home").id)
    mujoco.mj_forward(model, data)
    return data


@pytest.mark.parametrize(
    ("kind", "sizes", "timestep", "mass", "height", "solimp"),
    [
        (Humanoid, (30, 29, 23), 0.03, 31.763, 0.902, [0.9, 0.95, 0.001]),
        (Humanoid29, (36, 35, 29), 0.02, 33.341, 0.982, [0.0, 0.95, 0.01]),
    ],
)
def test_figures(kind, sizes, timestep, mass, height, solimp):
    model = kind().model
    assert (model.nq, model.nv, model.nu) == sizes
    assert model.body_mass.sum() == pytest.approx(mass, abs=1e-3)
    assert at_home(model).site("imu").xpos[2] == pytest.approx(height, abs=1e-3)
    option = model.opt
    assert (option.timestep, option.iterations, option.ls_iterations) == (timestep, 20, 5)
    assert option.integrator == mujoco.mjtIntegrator.mjINT_EULER
    assert option.disableflags & mujoco.mjtDisableBit.mjDSBL_EULERDAMP
    np.testing.assert_array_equal(model.dof_armature, [0.0] * 6 + [1.0] * (model.nv - 6))
    np.testing.assert_array_equal(model.dof_damping, 0.0)
    solid = model.geom_contype > 0
    np.testing.assert_allclose(model.geom_solimp[solid][:, :3], np.tile(solimp, (solid.sum(), 1)))
    assert not model.geom_priority[solid & (model.geom_friction[:, 0] == 1.0)].any()


@pytest.mark.parametrize(
    ("name", "kv", "force"),
    [("left_hip_pitch", 40, 88), ("right_knee", 40, 139), ("left_ankle_roll", 30, 40), ("torso", 20, 88),
     ("right_elbow_roll", 10, 20)],
)  # fmt: skip
def test_velocity_servos(name, kv, force):
    model = Humanoid().model
    actuator = model.actuator(name)
    assert actuator.gainprm[0] == kv
    np.testing.assert_array_equal(actuator.biasprm[:3], [0.0, 0.0, -kv])
    np.testing.assert_array_equal(actuator.forcerange, [-force, force])
    np.testing.assert_array_equal(actuator.ctrlrange, [-5.0, 5.0])
    assert set(actuators.kinds(model)) == {"velocity"}


@pytest.mark.parametrize(
    ("name", "kv", "torque"),
    [("left_hip_pitch", 61.8863, 88), ("right_knee", 47.2348, 139), ("waist_pitch", 56.7467, 50),
     ("left_shoulder_yaw", 45.6332, 25), ("right_wrist_yaw", 44.7624, 5)],
)  # fmt: skip
def test_position_servos(name, kv, torque):
    model = Humanoid29().model
    actuator, joint = model.actuator(name), model.joint(name)
    assert actuator.gainprm[0] == 500.0
    np.testing.assert_array_equal(actuator.biasprm[:3], [0.0, -500.0, -kv])
    np.testing.assert_array_equal(model.jnt_actfrcrange[joint.id], [-torque, torque])
    np.testing.assert_array_equal(actuator.ctrlrange, joint.range)
    assert set(actuators.kinds(model)) == {"position"}


def test_order_of_the_actuators():
    names = actuators.names(Humanoid().model)
    assert [names.index(name) for name in ("left_hip_pitch", "right_hip_yaw", "left_hip_yaw", "torso")] == [0, 4, 5, 12]
    names = actuators.names(Humanoid29().model)
    assert [names.index(name) for name in ("right_hip_pitch", "waist_roll", "right_wrist_yaw")] == [6, 13, 28]


@BOTH
def test_left_and_right_are_mirror_images(kind):
    model = kind().model
    data = at_home(model)
    lefts = [model.body(i).name for i in range(model.nbody) if model.body(i).name.startswith("left_")]
    assert len(lefts) == (11 if kind is Humanoid else 13)
    for left in lefts:
        right = left.replace("left_", "right_")
        one, other = model.body(left), model.body(right)
        assert one.mass == other.mass
        np.testing.assert_array_equal(one.inertia, other.inertia)
        np.testing.assert_allclose(data.body(left).xipos * [1, -1, 1], data.body(right).xipos, atol=1e-12)
        flip = np.diag([1.0, -1.0, 1.0])
        spread = [
            frame @ np.diag(body.inertia) @ frame.T
            for body, frame in ((b, data.body(b.name).ximat.reshape(3, 3)) for b in (one, other))
        ]
        np.testing.assert_allclose(flip @ spread[0] @ flip, spread[1], atol=1e-12)
        ranges = model.joint(left).range, model.joint(right).range
        same = model.joint(left).axis[1] == 1.0
        np.testing.assert_array_equal(ranges[0], ranges[1] if same else -ranges[1][::-1])


def test_feet_stand_a_little_in_the_floor():
    data = at_home(Humanoid().model)
    assert [contact.dist for contact in data.contact] == pytest.approx([-0.0047] * 8, abs=1e-4)


@pytest.mark.parametrize(("kind", "height", "up"), [(Humanoid, 0.114, 0.0), (Humanoid29, 0.978, 1.0)])
def test_three_seconds_from_standing(kind, height, up):
    """Servos that hold still keep the one of position standing; that of velocity sinks down slowly.

    The heights are of the published solver, which stops after one iteration.
    """
    model = kind().load_model()
    model.opt.iterations = 1
    data = at_home(model)
    for _ in range(round(3.0 / model.opt.timestep)):
        mujoco.mj_step(model, data)
    assert data.site("imu").xpos[2] == pytest.approx(height, abs=0.01)
    assert data.body("torso").xmat[8] == pytest.approx(up, abs=0.1)


@BOTH
def test_lying_it_stays_where_it_is(kind):
    task = kind()
    model, start = task.model, task.start("lying")
    data = mujoco.MjData(model)
    data.qpos[:], data.ctrl[:] = start.qpos, model.key("lying").ctrl
    for _ in range(round(2.0 / model.opt.timestep)):
        mujoco.mj_step(model, data)
    assert np.abs(data.qpos[:3] - start.qpos[:3]).max() < 0.06
    assert data.site("imu").xpos[2] < 0.15
