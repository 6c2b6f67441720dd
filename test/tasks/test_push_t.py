"""Push-T: cost against its formula, goals anywhere and turned, success, starts, randomization."""

from __future__ import annotations

from math import cos, pi, sin

import mujoco
import numpy as np
import pytest

from gpc_ros.tasks.base import States
from gpc_ros.tasks.push_t import PushT

TASK = PushT()
GOAL = np.array([0.05, -0.1, 0.7])


def center(x, y, yaw):
    return np.array([x - 0.0128571 * sin(yaw), y + 0.0128571 * cos(yaw)])


def formula(q, g):
    place = center(*q[:3]) - center(*g)
    angle = (q[2] - g[2] + pi) % (2 * pi) - pi
    reach = q[:2] - (q[3:] + np.array([0.0, 0.1]))
    return place @ place + angle**2 + 0.01 * reach @ reach


@pytest.mark.parametrize("goal", [np.zeros(3), GOAL], ids=["default", "elsewhere"])
def test_costs_are_the_formula(goal, batch):
    sample = batch(TASK, (50,))
    expected = [formula(qpos, goal) for qpos in sample.states.qpos]
    np.testing.assert_allclose(TASK.running_cost(sample.states, sample.ctrl, goal), expected, rtol=1e-6)
    np.testing.assert_allclose(TASK.terminal_cost(sample.states, goal), expected, rtol=1e-6)


def test_position_and_angle_are_those_of_the_inertial_frames():
    """As MuJoCo's frame sensors on the inertial frames would say of T and goal."""
    model, rng = TASK.load_model(), np.random.default_rng(0)
    data = mujoco.MjData(model)
    for _ in range(20):
        start, goal = TASK.reset(rng), rng.uniform(-1.0, 1.0, 3) * (0.2, 0.2, pi)
        data.qpos[:] = start.qpos
        mujoco.mj_kinematics(model, data)
        here, turned = data.xipos[model.body("block").id].copy(), data.body("block").xmat.reshape(3, 3).copy()
        data.qpos[:3] = goal
        mujoco.mj_kinematics(model, data)
        there, aim = data.xipos[model.body("block").id], data.body("block").xmat.reshape(3, 3)
        terms = TASK.terminal_residuals(States(start.qpos, start.qvel), goal)
        assert np.hypot(*terms["position"]) == pytest.approx(np.linalg.norm(here - there))
        relative = aim.T @ turned
        angle = np.arctan2(relative[1, 0], relative[0, 0])
        assert terms["angle"][0] == pytest.approx(angle, abs=1e-9)


def test_cost_vanishes_at_the_goal_with_the_finger_at_the_t():
    there = States(np.array([*GOAL, GOAL[0], GOAL[1] - 0.1]), np.zeros(5))
    assert TASK.running_cost(there, np.ones(2), GOAL) == pytest.approx(0.0, abs=1e-20)
    assert TASK.at_goal(there, GOAL)
    assert not TASK.at_goal(there, np.zeros(3))


@pytest.mark.parametrize("turns", [-2, 1, 5])
def test_whole_turns_do_not_matter(turns, batch):
    sample = batch(TASK, (10,))
    turned = sample.states.qpos.copy()
    turned[..., 2] += 2 * pi * turns
    states = States(turned, sample.states.qvel)
    for method in (TASK.terminal_cost, TASK.observe):
        np.testing.assert_allclose(method(states, GOAL), method(sample.states, GOAL), rtol=1e-9, atol=1e-12)


def test_a_scene_moved_with_its_goal_looks_and_costs_the_same(batch):
    states = batch(TASK, (10,)).states
    turn, shift = 0.9, np.array([0.3, -0.2])
    rotation = np.array([[cos(turn), -sin(turn)], [sin(turn), cos(turn)]])
    moved = states.qpos.copy()
    moved[:, :2] = states.qpos[:, :2] @ rotation.T + shift
    moved[:, 2] += turn
    moved[:, 3:] = (states.qpos[:, 3:] + (0.0, 0.1)) @ rotation.T + shift - (0.0, 0.1)
    goal = np.array([*(rotation @ GOAL[:2] + shift), GOAL[2] + turn])
    there = States(moved, states.qvel)
    np.testing.assert_allclose(TASK.observe(there, goal), TASK.observe(states, GOAL), atol=1e-12)
    np.testing.assert_allclose(TASK.terminal_cost(there, goal), TASK.terminal_cost(states, GOAL), rtol=1e-9)


def test_observation():
    qpos = np.array([0.1, 0.2, 0.3, -0.05, 0.15])
    expected = [-0.05, 0.25, 0.1, 0.2, cos(0.3), sin(0.3)]
    np.testing.assert_allclose(TASK.observe(States(qpos, np.zeros(5)), np.zeros(3)), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("index", "limit"), [((0, 1), 0.01), (2, 0.1)], ids=["centre of mass", "yaw"]
)  # fmt: skip
def test_limits_of_the_goal(index, limit):
    rest = np.array([0.0, 0.0, 0.0, 0.3, 0.3])
    for factor, inside in ((0.99, True), (1.01, False)):
        qpos = rest.copy()
        qpos[np.array(index)] = factor * limit / (np.sqrt(2.0) if index != 2 else 1.0)
        if index == 2:  # turned about the centre of mass
            qpos[:2] = center(0.0, 0.0, 0.0) - center(0.0, 0.0, qpos[2])
        assert bool(TASK.at_goal(States(qpos, np.zeros(5)), np.zeros(3))) is inside


def run(*held):
    """A run of 20 s at 100 Hz that is at the goal from and to the given times [s], else away."""
    times = np.arange(2001) * 0.01
    qpos = np.tile([0.1, 0.1, 2.0, 0.0, 0.0], (len(times), 1))
    for begin, end in held:
        qpos[(times > begin - 0.005) & (times < end + 0.005), :3] = GOAL
    return TASK.success(States(qpos, np.zeros_like(qpos)), times, GOAL)


@pytest.mark.parametrize(
    ("held", "succeeds"),
    [
        ([], False),
        ([(0.0, 20.0)], True),
        ([(3.0, 4.0)], True),
        ([(3.0, 3.99)], False),
        ([(19.0, 20.0)], True),
        ([(19.01, 20.0)], False),
        ([(0.0, 1.0)], True),
        ([(3.0, 3.6), (3.7, 4.3), (5.0, 5.9)], False),
        ([(3.0, 3.6), (7.0, 8.2)], True),
    ],
)
def test_success_is_a_second_at_the_goal_at_a_stretch(held, succeeds):
    assert run(*held) is succeeds


def test_starts_fill_their_ranges():
    rng = np.random.default_rng(3)
    draws = [TASK.reset(rng) for _ in range(600)]
    values = np.array([np.concatenate((d.qpos, d.qvel)) for d in draws])
    scaled = values / [0.2, 0.2, pi, 0.2, 0.2, 0.02, 0.02, 0.2, 0.1, 0.1]
    assert np.abs(scaled).max() <= 1.0
    assert (np.abs(scaled).max(axis=0) > 0.97).all()
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=0.12)  # 5 standard errors
    assert all(np.array_equal(d.goal, TASK.goal) for d in draws)


def test_friction_varies_by_the_geom_and_nothing_else():
    rng = np.random.default_rng(0)
    models = [TASK.randomize(rng) for _ in range(60)]
    frictions = np.array([model.geom_friction[:, 0] for model in models])
    assert 0.1 <= frictions.min() < 0.15
    assert 1.95 < frictions.max() <= 2.0
    assert np.abs(np.corrcoef(frictions, rowvar=False) - np.eye(frictions.shape[1])).max() < 0.5
    np.testing.assert_array_equal(models[0].geom_friction[:, 1:], TASK.model.geom_friction[:, 1:])
    np.testing.assert_array_equal(models[0].body_mass, TASK.model.body_mass)
