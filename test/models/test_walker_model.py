"""The walker's plant: compiled figures, standing, what touches what."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from gpc_ros.tasks.walker import Walker

TASK = Walker()
MODEL = TASK.model
SIDES = ("right", "left")
FIGURES = {
    "torso": (10.6730, (0.443156, 0.443156, 0.025445)),
    "thigh": (4.05789, (0.093299, 0.093299, 0.004941)),
    "leg": (2.78136, (0.072303, 0.072303, 0.002182)),
    "foot": (2.09440, (0.013941, 0.013941, 0.002487)),
}
LIMITS_DEG = {"hip": (-20, 100), "knee": (-150, 0), "ankle": (-45, 45)}
GEARS = {"hip": 100, "knee": 50, "ankle": 20}


def at(qpos):
    data = mujoco.MjData(MODEL)
    data.qpos[:] = qpos
    mujoco.mj_forward(MODEL, data)
    return data


def test_options():
    option = MODEL.opt
    assert (option.timestep, option.iterations, option.ls_iterations) == (0.01, 20, 6)
    assert option.integrator == mujoco.mjtIntegrator.mjINT_EULER
    assert option.disableflags == mujoco.mjtDisableBit.mjDSBL_EULERDAMP


def test_masses_and_inertias():
    bodies = ["torso", *(f"{side}_{part}" for side in SIDES for part in ("thigh", "leg", "foot"))]
    for name in bodies:
        mass, inertia = FIGURES[name.rsplit("_", 1)[-1]]
        body = MODEL.body(name)
        assert body.mass[0] == pytest.approx(mass, rel=1e-5)
        np.testing.assert_allclose(np.sort(body.inertia), np.sort(inertia), atol=1e-6)
    assert MODEL.body_mass.sum() == pytest.approx(28.5403, abs=1e-4)


def test_coordinates_and_actuators_stand_in_the_known_order():
    joints = [f"{side}_{joint}" for side in SIDES for joint in ("hip", "knee", "ankle")]
    assert [MODEL.joint(i).name for i in range(MODEL.njnt)] == ["z", "x", "pitch", *joints]
    assert [MODEL.actuator(i).name for i in range(MODEL.nu)] == [f"{joint}_motor" for joint in joints]
    for i, name in enumerate(joints):
        kind = name.rsplit("_", 1)[-1]
        joint = MODEL.joint(name)
        np.testing.assert_allclose(np.degrees(joint.range), LIMITS_DEG[kind])
        assert (joint.damping[0], joint.armature[0]) == (0.1, 0.01)
        assert MODEL.actuator_gear[i, 0] == GEARS[kind]
        np.testing.assert_array_equal(joint.axis, [0.0, -1.0, 0.0])
    np.testing.assert_array_equal(MODEL.dof_damping[:3], 0.0)
    np.testing.assert_array_equal(MODEL.jnt_limited[:3], 0)


def test_only_limbs_and_floor_touch():
    floor = MODEL.geom("floor").id
    for i in range(MODEL.ngeom):
        geom = MODEL.geom(i)
        assert (geom.contype[0], geom.conaffinity[0]) == ((1, 1) if i == floor else (1, 0))
        if i != floor:
            np.testing.assert_allclose(geom.solimp[:3], [0.0, 0.95, 0.01])
            np.testing.assert_allclose(geom.friction[0], 0.5)
    rng = np.random.default_rng(0)
    for _ in range(20):
        data = at(TASK.reset(rng).qpos - 1.3 * np.eye(9)[0])  # so low that the torso is in the floor
        assert data.ncon > 0
        assert all(floor in contact.geom for contact in data.contact)


def test_at_zero_it_stands_with_its_soles_on_the_floor():
    data = at(np.zeros(9))
    assert data.body("torso").xpos[2] == pytest.approx(1.3)
    for side in SIDES:
        foot = data.geom(f"{side}_foot")
        np.testing.assert_allclose(foot.xpos[2], 0.05, atol=1e-12)
        np.testing.assert_allclose(np.abs(foot.xmat.reshape(3, 3)[:, 2]), [1.0, 0.0, 0.0], atol=1e-9)
        assert foot.xpos[0] == pytest.approx(0.06)


def test_it_falls_without_torques_and_lies_on_the_floor():
    data = at(np.zeros(9))
    mujoco.mj_step(MODEL, data, 400)
    assert -0.05 < data.body("torso").xpos[2] < 0.5
    assert np.isfinite(data.qpos).all()


def test_bending_signs():
    """A positive hip swings the leg forward, a negative knee draws the foot back and up."""
    hip, knee = np.zeros(9), np.zeros(9)
    hip[3], knee[4] = 0.5, -1.0
    assert at(hip).geom("right_foot").xpos[0] > 0.4
    bent = at(knee).geom("right_foot").xpos
    assert bent[0] < -0.2
    assert bent[2] > 0.2


def test_the_side_camera_goes_along():
    camera = MODEL.camera("side")
    assert MODEL.cam_mode[camera.id] == mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM
    far = np.zeros(9)
    far[1] = 30.0
    data = at(far)
    assert data.camera("side").xpos[0] == pytest.approx(30.0, abs=0.1)
