"""The push-T plant: compiled figures, how the T slides and turns to rest, what the pusher does."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from gpc_ros.tasks.push_t import PushT

TASK = PushT()
MODEL = TASK.model
FAR = [0.0, 0.0, 0.0, 0.5, 0.5]  # the pusher out of the way


def rolled(qpos, qvel, ctrl=(0.0, 0.0), seconds=1.0):
    """States by time [s], rounded to milliseconds."""
    data = mujoco.MjData(MODEL)
    data.qpos[:], data.qvel[:], data.ctrl[:] = qpos, qvel, ctrl
    found = {}
    for _ in range(round(seconds / MODEL.opt.timestep)):
        mujoco.mj_step(MODEL, data)
        found[round(data.time, 3)] = data.qpos.copy(), data.qvel.copy()
    return found


def test_options():
    option = MODEL.opt
    assert (option.timestep, option.iterations, option.ls_iterations) == (0.01, 1, 4)
    assert option.integrator == mujoco.mjtIntegrator.mjINT_EULER
    assert option.disableflags == 0


def test_masses_and_inertias():
    block = MODEL.body("block")
    assert block.mass[0] == pytest.approx(0.056)
    np.testing.assert_allclose(block.ipos, [0.0, 0.012857, 0.0], atol=1e-6)
    np.testing.assert_allclose(np.sort(block.inertia), [1.0133e-5, 3.2076e-5, 3.8476e-5], rtol=1e-4)
    about_joint = 3.8476e-5 + 0.056 * 0.012857**2
    assert about_joint == pytest.approx(4.7733e-5, rel=1e-4)
    assert MODEL.dof_M0[2] == pytest.approx(about_joint, rel=1e-4)
    assert MODEL.body("pusher").mass[0] == pytest.approx(0.0041888, rel=1e-4)


def test_contacts_are_soft_and_only_the_goal_has_none():
    for name in ("floor", "stem", "bar", "pusher"):
        geom = MODEL.geom(name)
        np.testing.assert_allclose(geom.solimp, [0.0, 0.95, 0.005, 0.5, 2.0])
        np.testing.assert_allclose(geom.friction, [1.0, 0.005, 1e-4])
        assert geom.contype[0] == geom.conaffinity[0] == 1
    for name in ("goal_stem", "goal_bar"):
        assert MODEL.geom(name).contype[0] == MODEL.geom(name).conaffinity[0] == 0


def test_the_t_rests_on_eight_points_and_the_pusher_on_none():
    data = mujoco.MjData(MODEL)
    mujoco.mj_forward(MODEL, data)
    assert data.ncon == 8
    floor, pusher = MODEL.geom("floor").id, MODEL.geom("pusher").id
    assert all(floor in contact.geom and pusher not in contact.geom for contact in data.contact)
    np.testing.assert_allclose([contact.dist for contact in data.contact], -0.0005, atol=1e-9)


def test_launched_it_slides_to_rest():
    states = rolled(FAR, [0.3, 0.0, 0.0, 0.0, 0.0])
    speeds = [states[t][1][0] for t in (0.05, 0.1, 0.2, 0.4)]
    np.testing.assert_allclose(speeds, [0.224, 0.168, 0.093, 0.028], atol=6e-4)
    np.testing.assert_allclose([states[t][0][0] for t in (0.2, 0.8)], [0.034, 0.049], atol=6e-4)


def test_spun_it_turns_to_rest():
    states = rolled(FAR, [0.0, 0.0, 3.0, 0.0, 0.0])
    rates = [states[t][1][2] for t in (0.05, 0.1, 0.2)]
    np.testing.assert_allclose(rates, [1.52, 0.76, 0.18], atol=6e-3)
    assert states[1.0][0][2] == pytest.approx(0.201, abs=6e-4)


def test_the_pusher_takes_up_the_commanded_velocity():
    """Force 0.1 (u - v) on 4.19 g: the rest of the way to u shrinks with a time constant of 0.042 s."""
    states = rolled(FAR, np.zeros(5), ctrl=(1.0, -0.5), seconds=0.5)
    rest = 1.0 - np.array([states[t][1][3] for t in (0.01, 0.11, 0.21)])
    constant = -0.1 / np.diff(np.log(rest))
    assert constant == pytest.approx([0.042] * 2, rel=0.15)  # of a step a fourth as long, by Euler
    np.testing.assert_allclose(states[0.5][1][3:], [1.0, -0.5], atol=1e-3)
    data = mujoco.MjData(MODEL)
    data.ctrl[:] = 9.0, -9.0
    mujoco.mj_forward(MODEL, data)
    np.testing.assert_allclose(data.qfrc_actuator, [0.0, 0.0, 0.0, 0.1, -0.1])


def test_the_pusher_pushes():
    """From its home straight against the bar: the T is shoved ahead without turning."""
    states = rolled(np.zeros(5), np.zeros(5), ctrl=(0.0, -0.3), seconds=0.6)
    x, y, yaw, _, pusher = states[0.6][0]
    assert abs(x) < 1e-6
    assert abs(yaw) < 1e-6
    assert y < -0.015
    assert 0.1 + pusher - y == pytest.approx(0.05, abs=0.004)  # bar's edge at 4 cm, radius 1 cm: in touch


def test_the_goal_is_a_mark_of_the_same_shape():
    assert MODEL.nmocap == 1
    for one, other in (("stem", "goal_stem"), ("bar", "goal_bar")):
        np.testing.assert_array_equal(MODEL.geom(one).size, MODEL.geom(other).size)
        np.testing.assert_array_equal(MODEL.geom(one).pos, MODEL.geom(other).pos)
    assert MODEL.body("goal").mass[0] == 0.0
