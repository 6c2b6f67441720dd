"""The luffing crane's plant: compiled figures, how far its servos give way, and what its cable does."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from gpc_ros import actuators
from gpc_ros.tasks.crane import Crane


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return Crane().load_model()


def at(model, qpos=None, ctrl=None):
    data = mujoco.MjData(model)
    data.qpos[:] = model.qpos0 if qpos is None else qpos
    if ctrl is not None:
        data.ctrl[:] = ctrl
    mujoco.mj_forward(model, data)
    return data


def test_sizes_and_options(model):
    assert (model.nq, model.nv, model.nu, model.nmocap) == (9, 8, 3, 1)
    option = model.opt
    assert (option.timestep, option.iterations, option.ls_iterations) == (0.01, 1, 5)
    assert option.integrator == mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    np.testing.assert_array_equal(model.dof_damping, 1e-4)
    assert option.disableflags & mujoco.mjtDisableBit.mjDSBL_CONTACT


def test_masses_and_inertias(model):
    mass = {name: model.body(name).mass[0] for name in ("trunk", "head", "boom", "payload")}
    assert mass == pytest.approx(
        {"trunk": 0.19635, "head": 1.0, "boom": 1.3725 + 0.1025, "payload": 0.098437}, abs=5e-5
    )
    np.testing.assert_allclose(model.body("payload").inertia, [8.08e-4, 8.08e-4, 4.88e-6], rtol=2e-3)
    data, columns = at(model), np.zeros((8, 8))
    for row, unit in zip(columns, np.eye(8), strict=True):
        mujoco.mj_mulM(model, data, row, unit)
    np.testing.assert_allclose(np.diag(columns)[:2], [2.3576, 2.3759], atol=1e-4)


def test_places_of_the_boom_and_the_cable(model):
    np.testing.assert_allclose(at(model).site("boom_end").xpos, [0.0, 2.32, 0.5825], atol=1e-9)
    assert at(model).ten_length[0] == pytest.approx(0.1325)
    raised = model.qpos0.copy()
    raised[1] = 1.0
    np.testing.assert_allclose(at(model, raised).site("boom_end").xpos, [0.0, 1.184, 2.497], atol=5e-4)
    slewed = model.qpos0.copy()
    slewed[0] = np.pi / 2  # counterclockwise seen from above
    np.testing.assert_allclose(at(model, slewed).site("boom_end").xpos, [-2.32, 0.0, 0.5825], atol=1e-9)
    np.testing.assert_allclose(model.jnt_range[1], np.radians([0.0, 60.0]))
    assert model.jnt_limited.tolist() == [False, True, False]


def test_gains_are_as_written_whatever_the_version(model):
    np.testing.assert_array_equal(model.actuator_gainprm[:, 0], [10.0, 100.0, 10.0])
    np.testing.assert_array_equal(model.actuator_biasprm[:, 1], [-10.0, -100.0, -10.0])
    np.testing.assert_array_equal(model.actuator_biasprm[:, 2], [-9.711123, -30.827793, -4.646949])
    np.testing.assert_array_equal(model.actuator_ctrlrange, [[-1.0, 1.0], [0.0, 1.0], [0.05, 2.0]])
    assert actuators.kinds(model) == ("position",) * 3


def test_the_hoist_pulls_and_never_pushes(model):
    np.testing.assert_array_equal(model.actuator_forcerange[2], [-10.0, 0.0])
    forces = [at(model, ctrl=[0.0, 0.0, length]).actuator_force[2] for length in (0.05, 0.1325, 2.0)]
    np.testing.assert_allclose(forces, [-0.825, 0.0, 0.0], atol=1e-9)


def test_it_hangs_at_rest_where_the_servos_give_way(model):
    """The cable stretches by the payload's weight over kp; the boom sags by its own moment."""
    key = model.key("hanging")
    data = at(model, key.qpos, key.ctrl)
    assert data.ten_length[0] - key.ctrl[2] == pytest.approx(0.0984 * 9.81 / 10.0, abs=1e-4)
    assert key.ctrl[1] - key.qpos[1] == pytest.approx(0.156, abs=1e-3)
    for _ in range(200):
        mujoco.mj_step(model, data)
    np.testing.assert_allclose(data.qpos, key.qpos, atol=2e-4)
    np.testing.assert_allclose(data.qvel, 0.0, atol=2e-4)
    assert at(model).qfrc_bias[1] == pytest.approx(14.9, abs=0.05)


def test_the_payload_swings_as_a_pendulum(model):
    """On a held boom, at small angles, at the lower of a double pendulum's two frequencies (cable and rod)."""
    cable, half, mass, inertia = 0.9966, 0.15, 0.098437, 8.0834e-4
    masses = mass * np.array([[cable**2, cable * half], [cable * half, half**2 + inertia / mass]])
    stiffness = mass * 9.81 * np.diag([cable, half])
    expected = np.sqrt(np.linalg.eigvals(np.linalg.solve(masses, stiffness)).min())
    key = model.key("hanging")
    ctrl = np.array([0.0, 0.5, 0.9])
    data = at(model, key.qpos, ctrl)
    model.dof_damping[2:] = 0.05
    for _ in range(3000):
        mujoco.mj_step(model, data)
    model.dof_damping[:] = 1e-4
    data.qvel[2] = 0.05
    crossings, before = [], data.qpos[2]
    while len(crossings) < 6:
        mujoco.mj_step(model, data)
        if before * data.qpos[2] < 0:
            crossings.append(data.time)
        before = data.qpos[2]
    assert np.pi / np.diff(crossings)[1:].mean() == pytest.approx(expected, rel=0.03)


def test_the_goal_stands_where_the_task_has_it(model):
    np.testing.assert_array_equal(model.body("goal").pos, Crane.goal)
    assert model.body("goal").mocapid[0] == 0
