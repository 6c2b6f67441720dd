"""Success of the four small robots on made-up runs: each passes, and fails when any one limit is crossed."""

from __future__ import annotations

from math import acos, pi

import numpy as np
import pytest

from gpc_ros.tasks.base import States
from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.tasks.double_cart_pole import DoubleCartPole
from gpc_ros.tasks.particle import Particle
from gpc_ros.tasks.pendulum import Pendulum

# Task, state (qpos, qvel) at the goal, and for each limit: index into (qpos, qvel), largest allowed deviation.
# Double cart-pole: on an upright first pole, a second one that leans by this much has its tip at 3.9 m.
LEAN = acos(0.9)
CASES = [
    (Pendulum, [pi, 0.0], [(0, 0.1), (1, 0.5)]),
    (CartPole, [0.0, pi, 0.0, 0.0], [(0, 0.5), (1, 0.2), (2, 1.0), (3, 1.0)]),
    (DoubleCartPole, [0.0, pi, 0.0, 0.0, 0.0, 0.0], [(0, 3.5), (2, LEAN)]),
    (Particle, [0.25, 0.0, 0.0, 0.0], [(0, 0.01), (1, 0.01), (2, 0.05), (3, 0.05)]),
]
LIMITS = [(kind, rest, index, limit) for kind, rest, limits in CASES for index, limit in limits]


def run(kind, rest):
    task = kind()
    times = np.arange(round(task.episode_s * 100)) * 0.01
    return task, times, np.tile(np.array(rest), (len(times), 1))


def succeeded(task, times, values):
    states = States(values[:, : task.model.nq], values[:, task.model.nq :])
    return task.success(states, times, np.array(task.goal))


@pytest.mark.parametrize(("kind", "rest"), [case[:2] for case in CASES])
def test_a_run_that_ends_at_the_goal_succeeds(kind, rest):
    task, times, values = run(kind, rest)
    assert succeeded(task, times, values)
    before = times < times[-1] - task.success_window_s - 0.005
    values[before] = np.random.default_rng(0).uniform(-9, 9, (before.sum(), values.shape[1]))
    assert succeeded(task, times, values)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("kind", "rest", "index", "limit"), LIMITS)
def test_each_limit_counts_on_either_side(kind, rest, index, limit, sign):
    task, times, values = run(kind, rest)
    values[-1, index] = rest[index] + sign * 0.99 * limit
    assert succeeded(task, times, values)
    values[-1, index] = rest[index] + sign * 1.01 * limit
    assert not succeeded(task, times, values)


@pytest.mark.parametrize(("kind", "rest"), [case[:2] for case in CASES if case[0] is not Particle])
def test_a_slip_early_in_the_window_counts(kind, rest):
    task, times, values = run(kind, rest)
    first = np.flatnonzero(times >= times[-1] - task.success_window_s)[0]
    values[first, :] = 0.0
    assert not succeeded(task, times, values)


@pytest.mark.parametrize("turns", [-3, -1, 1, 2])
@pytest.mark.parametrize(("kind", "rest", "hinge"), [(Pendulum, CASES[0][1], 0), (CartPole, CASES[1][1], 1)])
def test_whole_turns_do_not_matter(kind, rest, hinge, turns):
    task, times, values = run(kind, rest)
    values[:, hinge] += 2 * pi * turns
    assert succeeded(task, times, values)
    values[:, hinge] += pi
    assert not succeeded(task, times, values)


def test_windows_and_lengths():
    figures = {kind.__name__: (kind.episode_s, kind.success_window_s) for kind, _, _ in CASES}
    assert figures == {
        "Pendulum": (10.0, 1.0),
        "CartPole": (10.0, 1.0),
        "DoubleCartPole": (10.0, 2.0),
        "Particle": (2.0, 0.0),
    }
