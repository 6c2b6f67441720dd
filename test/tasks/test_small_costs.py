"""Costs of the four small robots against their formulas, written out once more for a single state."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
import pytest

from gpc_ros.tasks.base import States, weighted
from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.tasks.double_cart_pole import DoubleCartPole
from gpc_ros.tasks.particle import Particle
from gpc_ros.tasks.pendulum import Pendulum


def upright(angle):
    return (cos(angle - pi) - 1.0) ** 2 + sin(angle - pi) ** 2


def tip_error(qpos):
    tip_x = qpos[0] - sin(qpos[1]) - sin(qpos[1] + qpos[2])
    tip_z = 2.0 - cos(qpos[1]) - cos(qpos[1] + qpos[2])
    return (tip_z - 4.0) ** 2 + (tip_x - qpos[0]) ** 2


def pendulum(q, v, u, g):
    terminal = upright(q[0]) + 0.01 * v[0] ** 2
    return terminal + 0.001 * u[0] ** 2, terminal


def cart_pole(q, v, u, g):
    rest = q[0] ** 2 + 0.01 * (v[0] ** 2 + v[1] ** 2)
    return upright(q[1]) + rest + 0.01 * u[0] ** 2, 10.0 * upright(q[1]) + rest


def double_cart_pole(q, v, u, g):
    running = tip_error(q) + 0.1 * (v[1] ** 2 + v[2] ** 2) + 0.001 * u[0] ** 2
    return running, 10.0 * tip_error(q) + 10.0 * q[0] ** 2 + v[0] ** 2 + v[1] ** 2 + v[2] ** 2


def particle(q, v, u, g):
    terminal = 5.0 * ((q[0] - g[0]) ** 2 + (q[1] - g[1]) ** 2) + 0.1 * (v[0] ** 2 + v[1] ** 2)
    return terminal + 0.1 * (u[0] ** 2 + u[1] ** 2), terminal


CASES = [(Pendulum, pendulum), (CartPole, cart_pole), (DoubleCartPole, double_cart_pole), (Particle, particle)]
cases = pytest.mark.parametrize(("kind", "formula"), CASES, ids=[formula.__name__ for _, formula in CASES])


@cases
def test_costs_are_the_formulas(kind, formula, batch):
    task = kind()
    sample = batch(task, (50,))
    states, ctrl, goal = sample.states, sample.ctrl, sample.goal
    expected = [formula(states.qpos[i], states.qvel[i], ctrl[i], goal) for i in range(50)]
    running, terminal = np.transpose(expected)
    np.testing.assert_allclose(task.running_cost(states, ctrl, goal), running, rtol=1e-10)
    np.testing.assert_allclose(task.terminal_cost(states, goal), terminal, rtol=1e-10)


@cases
def test_every_weight_matters(kind, formula, batch):
    """No term is idle, so that a wrong weight could not hide."""
    task = kind()
    sample = batch(task, (1,))
    residuals = task.running_residuals(sample.states, sample.ctrl, sample.goal)
    nominal = weighted(residuals, task.running_weights)
    for name in task.running_weights:
        changed = {**task.running_weights, name: 2.0 * task.running_weights[name]}
        assert weighted(residuals, changed)[0] > nominal[0], name


def test_a_weight_of_zero_leaves_its_term_out():
    residuals = {"kept": (np.array([1.0, 2.0]),), "dropped": (np.array([np.nan, np.inf]),)}
    np.testing.assert_array_equal(weighted(residuals, {"kept": 3.0, "dropped": 0.0}), [3.0, 12.0])


AT_GOAL = {Pendulum: [pi], CartPole: [0.0, pi], DoubleCartPole: [0.0, pi, 0.0], Particle: [0.25, 0.0]}


@pytest.mark.parametrize("kind", AT_GOAL, ids=lambda kind: kind().name)
def test_cost_vanishes_at_the_goal_and_only_there(kind):
    task = kind()
    goal = np.array(task.goal)
    ctrl, rest = np.zeros(task.model.nu), np.zeros(task.model.nv)
    there, start = States(np.array(AT_GOAL[kind]), rest), task.start(task.named_start)
    assert task.at_goal(there, goal)
    assert task.running_cost(there, ctrl, goal) == pytest.approx(0.0, abs=1e-20)
    assert task.terminal_cost(there, goal) == pytest.approx(0.0, abs=1e-20)
    begin = States(start.qpos, start.qvel)
    assert not task.at_goal(begin, goal)
    assert task.running_cost(begin, ctrl, goal) > 0.5
    assert task.terminal_cost(begin, goal) > 0.5


@pytest.mark.parametrize("kind", [Pendulum, CartPole, DoubleCartPole], ids=lambda kind: kind().name)
def test_cost_and_observation_know_no_turns(kind, batch):
    task = kind()
    sample = batch(task, (10,))
    turned = sample.states.qpos.copy()
    turned[..., -1] += 2 * pi
    states = States(turned, sample.states.qvel)
    np.testing.assert_allclose(
        task.running_cost(states, sample.ctrl, sample.goal),
        task.running_cost(sample.states, sample.ctrl, sample.goal),
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        task.observe(states, sample.goal), task.observe(sample.states, sample.goal), rtol=1e-9, atol=1e-12
    )


OBSERVED = {
    Pendulum: ([0.3], [2.0], [cos(0.3), sin(0.3), 2.0]),
    CartPole: ([0.5, 0.3], [1.0, 2.0], [0.5, cos(0.3), sin(0.3), 1.0, 2.0]),
    DoubleCartPole: (
        [0.5, 0.3, -0.8],
        [1.0, 2.0, 3.0],
        [0.5, cos(0.3), sin(0.3), cos(-0.8), sin(-0.8), 1.0, 2.0, 3.0],
    ),
    Particle: ([0.1, 0.2], [1.0, 2.0], [-0.15, 0.2, 1.0, 2.0]),
}


@pytest.mark.parametrize("kind", OBSERVED, ids=lambda kind: kind().name)
def test_observation(kind):
    task = kind()
    qpos, qvel, expected = OBSERVED[kind]
    seen = task.observe(States(np.array(qpos), np.array(qvel)), np.array(task.goal))
    np.testing.assert_allclose(seen, expected, rtol=1e-12)


RANGES = {
    Pendulum: ([pi], [8.0], []),
    CartPole: ([1.8, 3.14], [2.0, 2.0], []),
    DoubleCartPole: ([2.8, 3.14, 3.14], [10.0, 10.0, 10.0], []),
    Particle: ([0.29, 0.29], [0.5, 0.5], [0.29, 0.29]),
}


@pytest.mark.parametrize("kind", RANGES, ids=lambda kind: kind().name)
def test_resets_fill_their_ranges_evenly(kind):
    task, rng = kind(), np.random.default_rng(3)
    draws = [task.reset(rng) for _ in range(600)]
    values = np.array([np.concatenate((d.qpos, d.qvel, d.goal)) for d in draws])
    limits = np.concatenate(RANGES[kind])
    scaled = values / limits
    assert np.abs(scaled).max() <= 1.0
    assert (np.abs(scaled).max(axis=0) > 0.97).all()
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=0.12)  # 5 standard errors
    np.testing.assert_allclose(np.square(scaled).mean(axis=0), 1 / 3, atol=0.07)
    correlation = np.corrcoef(scaled, rowvar=False) - np.eye(len(limits)) if len(limits) > 1 else np.zeros(1)
    assert np.abs(correlation).max() < 0.2  # every component is drawn for itself


def test_particle_motors_vary_by_a_tenth_each_on_its_own():
    task, rng = Particle(), np.random.default_rng(0)
    gains = np.array([task.randomize(rng).actuator_gainprm[:, 0] for _ in range(60)])
    assert 0.9 <= gains.min() < 0.92
    assert 1.08 < gains.max() <= 1.1
    assert np.abs(gains[:, 0] - gains[:, 1]).min() > 0.0
