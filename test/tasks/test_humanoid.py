"""The humanoid's task: the torso against MuJoCo, its cost, both orientation terms, what it sees, its starts."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from gpc_ros.tasks.base import States, weighted
from gpc_ros.tasks.humanoid import Humanoid
from gpc_ros.tasks.humanoid_29 import Humanoid29

TASKS = {kind: kind() for kind in (Humanoid, Humanoid29)}
both = pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
NO_GOAL = np.empty(0)


def random_states(task, count, seed=0):
    rng = np.random.default_rng(seed)
    qpos = np.array([task.reset(rng).qpos for _ in range(count)])
    qpos[:, 7:] += 0.6 * rng.standard_normal((count, task.model.nq - 7))
    return States(qpos, rng.standard_normal((count, task.model.nv)))


def torso(task, qpos):
    """Height of its measurement unit and its z axis, as MuJoCo has them."""
    data = mujoco.MjData(task.model)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(task.model, data)
    return data.site("imu").xpos[2], data.body("torso").xmat.reshape(3, 3)[:, 2].copy()


@both
def test_the_torso_is_where_mujoco_has_it(task):
    states = random_states(task, 20)
    height, up = task._torso(states.qpos)
    for row in range(20):
        expected = torso(task, states.qpos[row])
        assert height[row] == pytest.approx(expected[0], abs=1e-12)
        np.testing.assert_allclose([axis[row] for axis in up], expected[1], atol=1e-12)


@both
def test_costs_are_the_formulas(task):
    states, rng = random_states(task, 10, seed=1), np.random.default_rng(2)
    ctrl = rng.uniform(*task.model.actuator_ctrlrange.T, (10, task.model.nu))
    standing = task.model.key("home").qpos[7:]
    for row in range(10):
        height, up = torso(task, states.qpos[row])
        terminal = 10 * (height - 0.9) ** 2 + task.terminal_weights["upright"] * np.sum((up - [0, 0, 1]) ** 2)
        terminal += 0.1 * np.sum((states.qpos[row, 7:] - standing) ** 2)
        control = 0.01 * np.sum(ctrl[row] ** 2) if type(task) is Humanoid else 0.0
        one = States(states.qpos[row], states.qvel[row])
        assert task.terminal_cost(one, NO_GOAL) == pytest.approx(terminal)
        assert task.running_cost(one, ctrl[row], NO_GOAL) == pytest.approx(terminal + control)


@both
def test_the_published_orientation_term_is_a_constant_and_ours_is_not(task):
    states = random_states(task, 30, seed=3)
    residuals = task.terminal_residuals(states, NO_GOAL)
    np.testing.assert_allclose(weighted({"orientation": residuals["orientation"]}, {"orientation": 1.0}), 1.0)
    _, (_, _, up) = task._torso(states.qpos)
    ours = weighted({"upright": residuals["upright"]}, {"upright": 1.0})
    np.testing.assert_allclose(ours, 2.0 - 2.0 * up)
    assert np.ptp(ours) > 2.0
    assert task.running_weights["orientation"] == task.terminal_weights["orientation"] == 0.0


@both
def test_standing_is_the_goal_and_lying_is_not(task):
    home, lying = (task.start(name) for name in ("home", "lying"))
    assert task.at_goal(States(home.qpos, home.qvel), NO_GOAL)
    assert task.terminal_cost(States(home.qpos, home.qvel), NO_GOAL) < 0.08
    assert not task.at_goal(States(lying.qpos, lying.qvel), NO_GOAL)
    assert task.terminal_cost(States(lying.qpos, lying.qvel), NO_GOAL) > 5.0


@both
def test_limits_of_the_goal(task):
    """Lower than 0.75 m, or leaning by more than acos 0.9, it does not stand."""
    home = task.start("home")
    height = float(task._torso(home.qpos)[0])
    for drop, reached in ((height - 0.76, True), (height - 0.74, False)):
        qpos = home.qpos.copy()
        qpos[2] -= drop
        assert task.at_goal(States(qpos, home.qvel), NO_GOAL) == reached
    for lean, reached in ((0.44, True), (0.46, False)):
        for axis in (1, 2):
            qpos = home.qpos.copy()
            qpos[3], qpos[3 + axis] = np.cos(lean / 2), np.sin(lean / 2)
            assert task.at_goal(States(qpos, home.qvel), NO_GOAL) == reached


@both
def test_what_it_sees_does_not_depend_on_where_it_is_or_faces(task):
    states = random_states(task, 10, seed=4)
    qpos, qvel = states.qpos.copy(), states.qvel.copy()
    qpos[:, :2] += [5.0, -3.0]
    turn = np.array([np.cos(0.6), 0.0, 0.0, np.sin(0.6)])
    for row in range(10):
        turned, velocity = np.empty(4), np.empty(3)
        mujoco.mju_mulQuat(turned, turn, qpos[row, 3:7])
        mujoco.mju_rotVecQuat(velocity, qvel[row, :3], turn)
        qpos[row, 3:7], qvel[row, :3] = turned, velocity
    seen = task.observe(states, NO_GOAL)
    np.testing.assert_allclose(task.observe(States(qpos, qvel), NO_GOAL), seen, atol=1e-12)
    assert seen.shape == (10, 10 + 2 * task.model.nu)


def test_observation_of_a_robot_that_stands():
    task = TASKS[Humanoid]
    home, qvel = task.start("home"), np.arange(29.0)
    expected = [0.902067, 0, 0, 1, 0, 1, 2, 3, 4, 5, *np.zeros(23), *np.arange(6.0, 29.0)]
    np.testing.assert_allclose(task.observe(States(home.qpos, qvel), NO_GOAL), expected, atol=1e-9)


@both
def test_the_mirrored_robot_sees_the_mirrored_and_pays_as_much(task):
    """Up to the millimetres by which the measurement unit stands beside the middle."""
    seen, driven = task.mirror()
    for matrix in (seen, driven):
        np.testing.assert_array_equal(matrix @ matrix, np.eye(len(matrix)))
    model, states, nu = task.model, random_states(task, 10, seed=5), task.model.nu
    joints = seen[10 : 10 + nu, 10 : 10 + nu]
    qpos = np.hstack([states.qpos[:, :7] * [1, -1, 1, 1, -1, 1, -1], states.qpos[:, 7:] @ joints.T])
    qvel = np.hstack([states.qvel[:, :6] * [1, -1, 1, -1, 1, -1], states.qvel[:, 6:] @ joints.T])
    there = States(qpos, qvel)
    np.testing.assert_allclose(task.observe(there, NO_GOAL), task.observe(states, NO_GOAL) @ seen.T, atol=5e-3)
    ctrl = np.random.default_rng(0).uniform(*model.actuator_ctrlrange.T, (10, nu))
    costs = task.running_cost(states, ctrl, NO_GOAL), task.running_cost(there, ctrl @ driven.T, NO_GOAL)
    np.testing.assert_allclose(*costs, rtol=0.01)
    names = [model.joint(i).name for i in range(1, model.njnt)]
    for matrix, order in ((joints, names), (driven, [model.actuator(i).name for i in range(nu)])):
        left, right = order.index("left_hip_roll"), order.index("right_hip_roll")
        assert matrix[left, right] == matrix[right, left] == -1.0
        assert matrix[order.index("left_knee"), order.index("right_knee")] == 1.0


@both
def test_starts_are_turned_any_way_near_the_standing_posture(task):
    rng = np.random.default_rng(0)
    draws = [task.reset(rng) for _ in range(500)]
    qpos, qvel = np.array([d.qpos for d in draws]), np.array([d.qvel for d in draws])
    rest = np.delete(qpos - task.model.key("home").qpos, range(3, 7), axis=1)
    np.testing.assert_allclose(rest.mean(axis=0), 0.0, atol=0.025)
    np.testing.assert_allclose(rest.std(axis=0), 0.1, atol=0.015)
    np.testing.assert_allclose(qvel.std(axis=0), 0.1, atol=0.015)
    np.testing.assert_allclose(np.linalg.norm(qpos[:, 3:7], axis=1), 1.0)
    up = 1.0 - 2.0 * (qpos[:, 4] ** 2 + qpos[:, 5] ** 2)  # uniform on [-1, 1] for uniform rotations
    np.testing.assert_allclose(np.quantile(up, [0.25, 0.5, 0.75]), [-0.5, 0.0, 0.5], atol=0.12)


def test_each_shape_has_a_friction_of_its_own():
    task, rng = TASKS[Humanoid], np.random.default_rng(0)
    ratios = np.array([task.randomize(rng).geom_friction[:, 0] / task.model.geom_friction[:, 0] for _ in range(40)])
    assert 0.5 <= ratios.min() < 0.55
    assert 1.95 < ratios.max() <= 2.0
    correlation = np.corrcoef(ratios, rowvar=False) - np.eye(task.model.ngeom)
    assert np.abs(correlation).mean() < 0.2
