"""The walker: its speed in closed form against MuJoCo, cost against its formula, success, starts."""

from __future__ import annotations

from math import cos, pi, sin

import mujoco
import numpy as np
import pytest

from gpc_ros.tasks.base import States
from gpc_ros.tasks.walker import Walker

TASK = Walker()
GOAL = np.array(TASK.goal)


def center_of_mass_speed(qpos, qvel):
    data = mujoco.MjData(TASK.model)
    data.qpos[:], data.qvel[:] = qpos, qvel
    mujoco.mj_forward(TASK.model, data)
    mujoco.mj_subtreeVel(TASK.model, data)
    return data.subtree_linvel[TASK.model.body("torso").id, 0]


def states(count, seed=0):
    rng = np.random.default_rng(seed)
    return States(rng.uniform(-3.0, 3.0, (count, 9)), rng.uniform(-5.0, 5.0, (count, 9)))


def test_speed_is_that_of_the_centre_of_mass():
    drawn = states(50)
    expected = [center_of_mass_speed(*state) for state in zip(drawn.qpos, drawn.qvel, strict=True)]
    np.testing.assert_allclose(TASK.speed(drawn), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("speed", [1.5, 0.0, -0.7])
def test_costs_are_the_formula(speed, batch):
    sample = batch(TASK, (50,))
    goal = np.array([speed])
    running, terminal = [], []
    for q, v, u in zip(sample.states.qpos, sample.states.qvel, sample.ctrl, strict=True):
        wrong = center_of_mass_speed(q, v) - speed
        terminal.append(10 * (q[0] + 1.3 - 1.2) ** 2 + 3 * (cos(q[2]) - 1) ** 2 + wrong**2)
        running.append(terminal[-1] + 0.1 * u @ u)
    np.testing.assert_allclose(TASK.running_cost(sample.states, sample.ctrl, goal), running, rtol=1e-9)
    np.testing.assert_allclose(TASK.terminal_cost(sample.states, goal), terminal, rtol=1e-9)


def test_height_and_upright_are_those_of_the_torso():
    data = mujoco.MjData(TASK.model)
    for qpos in states(10).qpos:
        data.qpos[:] = qpos
        mujoco.mj_kinematics(TASK.model, data)
        torso = data.body("torso")
        terms = TASK.terminal_residuals(States(qpos, np.zeros(9)), GOAL)
        assert terms["height"][0] == pytest.approx(torso.xpos[2] - 1.2)
        assert terms["upright"][0] == pytest.approx(torso.xmat[8] - 1.0, abs=1e-12)


def test_where_it_is_along_x_does_not_matter(batch):
    sample = batch(TASK, (10,)).states
    moved = sample.qpos.copy()
    moved[:, 1] += 7.0
    there = States(moved, sample.qvel)
    np.testing.assert_array_equal(TASK.observe(there, GOAL), TASK.observe(sample, GOAL))
    np.testing.assert_array_equal(TASK.terminal_cost(there, GOAL), TASK.terminal_cost(sample, GOAL))


def test_observation():
    qpos, qvel = np.arange(9) / 10.0, np.zeros(9)
    qvel[1] = 2.0
    seen = TASK.observe(States(qpos, qvel), GOAL)
    np.testing.assert_allclose(seen, [cos(0.2), sin(0.2), 0.0, *qpos[3:], *qvel, 0.5], atol=1e-12)


def run(change=None, *, speed=1.5, seconds=10.0):
    """Whether a run that glides upright at ``speed``, with ``change(times, qpos, qvel)``, succeeds."""
    times = np.arange(round(seconds * 100) + 1) * 0.01
    qpos, qvel = np.zeros((2, len(times), 9))
    qvel[:, 1] = speed
    if change is not None:
        change(times, qpos, qvel)
    return TASK.success(States(qpos, qvel), times, GOAL)


def low(begin, end, height=0.79):
    def change(times, qpos, qvel):
        qpos[(times >= begin) & (times <= end), 0] = height - 1.3

    return change


def leaning(begin, end, angle):
    def change(times, qpos, qvel):
        qpos[(times >= begin) & (times <= end), 2] = angle

    return change


def test_gliding_upright_at_the_goal_speed_succeeds():
    assert run()
    assert run(low(0.0, 10.0, height=0.81))
    assert run(leaning(0.0, 10.0, 0.79))


@pytest.mark.parametrize(("speed", "succeeds"), [(1.31, True), (1.29, False), (1.69, True), (1.71, False)])
def test_the_mean_speed_counts(speed, succeeds):
    assert run(speed=speed) is succeeds


def test_speed_may_vary_about_its_mean_and_before_the_last_five_seconds():
    def sway(times, qpos, qvel):
        qvel[:, 1] += np.sin(2 * pi * times)
        qvel[times < 4.9, 1] = 0.0

    assert run(sway)


@pytest.mark.parametrize("spoil", [low, lambda begin, end: leaning(begin, end, 0.81)], ids=["low", "leaning"])
def test_three_seconds_to_get_up_then_never_down(spoil):
    assert run(spoil(0.0, 2.99))
    assert not run(spoil(3.0, 3.005))
    assert not run(spoil(10.0, 10.0))


def test_starts_fill_their_ranges():
    rng = np.random.default_rng(3)
    draws = [TASK.reset(rng) for _ in range(600)]
    low, high = np.radians([-20, -150, -45]), np.radians([100, 0, 45])
    joints = np.array([d.qpos[3:] for d in draws])
    scaled = (joints - np.tile(low, 2)) / np.tile(high - low, 2)
    assert scaled.min() >= 0.0
    assert scaled.max() <= 1.0
    np.testing.assert_allclose(scaled.mean(axis=0), 0.5, atol=0.06)  # 5 standard errors
    rest = np.array([np.concatenate((d.qpos[[0, 2]] / (0.05, 1.5), d.qvel / 0.1)) for d in draws])
    assert np.abs(rest).max() <= 1.0
    assert (np.abs(rest).max(axis=0) > 0.97).all()
    assert all(d.qpos[1] == 0.0 and np.array_equal(d.goal, GOAL) for d in draws)
