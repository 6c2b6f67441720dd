"""The luffing crane's task: the payload's end against MuJoCo, its cost, its starts, its domains."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from gpc_ros.tasks.base import States
from gpc_ros.tasks.crane import Crane, _payload_end


@pytest.fixture(scope="module")
def task() -> Crane:
    return Crane()


def random_states(task, count, seed=0):
    """Anywhere, turned and spinning in any way."""
    rng = np.random.default_rng(seed)
    qpos = np.array([task.reset(rng).qpos for _ in range(count)])
    qpos[:, 5:] = rng.standard_normal((count, 4))
    qpos[:, 5:] /= np.linalg.norm(qpos[:, 5:], axis=1, keepdims=True)
    return States(qpos, rng.standard_normal((count, 8)))


def site(task, states, row):
    """Place and velocity of the payload's end, as MuJoCo has them."""
    model, data, velocity = task.model, mujoco.MjData(task.model), np.empty(6)
    data.qpos[:], data.qvel[:] = states.qpos[row], states.qvel[row]
    mujoco.mj_forward(model, data)
    index = model.site("payload_end").id
    mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_SITE, index, velocity, 0)
    return data.site_xpos[index].copy(), velocity[3:].copy()


def test_the_end_of_the_payload_is_where_mujoco_has_it(task):
    states = random_states(task, 20)
    place, velocity = (np.stack(part, axis=-1) for part in _payload_end(states))
    for row in range(20):
        expected = site(task, states, row)
        np.testing.assert_allclose(place[row], expected[0], atol=1e-12)
        np.testing.assert_allclose(velocity[row], expected[1], atol=1e-12)


def test_cost_is_distance_and_speed(task):
    states, goal = random_states(task, 10, seed=1), np.array([0.3, 1.2, 0.7])
    expected = []
    for row in range(10):
        place, velocity = site(task, states, row)
        expected.append(np.sum((place - goal) ** 2) + 0.1 * np.sum(velocity**2))
    np.testing.assert_allclose(task.running_cost(states, np.zeros((10, 3)), goal), expected, rtol=1e-10)
    np.testing.assert_allclose(task.terminal_cost(states, goal), expected, rtol=1e-10)


def test_observation(task):
    states, goal = random_states(task, 8, seed=2), np.array([0.3, 1.2, 0.7])
    seen = task.observe(states, goal)
    assert seen.shape == (8, 23)
    place, velocity = site(task, states, 0)
    np.testing.assert_allclose(seen[0], [*(place - goal), *velocity, *states.qpos[0], *states.qvel[0]] * turn(states))
    assert (seen[:, 11] >= 0).all()
    flipped = states.qpos.copy()
    flipped[:, 5:] *= -1.0  # the same orientation
    np.testing.assert_array_equal(task.observe(States(flipped, states.qvel), goal), seen)


def turn(states):
    """Signs (23,) that make w of the first state's quaternion positive."""
    signs = np.ones(23)
    signs[11:15] = np.sign(states.qpos[0, 5])
    return signs


def test_starts_are_as_published(task):
    rng = np.random.default_rng(0)
    draws = [task.reset(rng) for _ in range(400)]
    values = np.array([[*d.qpos[:5], *d.qvel, *d.goal] for d in draws])
    low = np.array([-1, 0, -1, 3.32, 0.6, *[-0.1] * 8, -1.5, 1.0, 0.0])
    high = np.array([1, 1, 1, 4.52, 1.3, *[0.1] * 8, 1.5, 3.0, 1.5])
    shares = (values - low) / (high - low)
    assert shares.min() >= 0.0
    assert shares.max() <= 1.0
    np.testing.assert_allclose(shares.mean(axis=0), 0.5, atol=0.07)
    np.testing.assert_allclose(shares.std(axis=0), 12**-0.5, atol=0.04)
    assert all(d.qpos[5:].tolist() == [1.0, 0.0, 0.0, 0.0] for d in draws)


def run(task, distances):
    """A run whose payload's end is at these distances below its goal."""
    start = task.start("hanging")
    qpos = np.tile(start.qpos, (len(distances), 1))
    qpos[:, 2:5] = task.goal
    qpos[:, 4] += 0.15 - np.array(distances)
    times = np.linspace(0.0, 10.0, len(distances))
    return task.success(States(qpos, np.zeros((len(distances), 8))), times, np.array(task.goal))


def test_a_goal_is_reached_within_15_cm_at_any_time(task):
    assert run(task, [1.0, 0.149, 1.0])
    assert run(task, [0.0, 1.0, 1.0])
    assert not run(task, [1.0, 0.151, 1.0])
    assert not run(task, [np.nan, 1.0, np.inf])


def test_domains_vary_damping_payload_and_stiffness_each_by_one_number(task):
    nominal, rng = task.model, np.random.default_rng(0)
    models = [task.randomize(rng) for _ in range(60)]
    damping = np.array([m.dof_damping / nominal.dof_damping for m in models])
    payload = nominal.body("payload").id
    weight = np.array([m.body_mass / np.maximum(nominal.body_mass, 1e-9) for m in models])
    inertia = np.array([m.body_inertia[payload] / nominal.body_inertia[payload] for m in models])
    stiffness = np.array([m.actuator_gainprm[:, 0] - nominal.actuator_gainprm[:, 0] for m in models])
    for drawn, low, high in ((damping, 0.05, 20.0), (weight[:, [payload]], 0.5, 2.0), (stiffness, -5.0, 5.0)):
        assert np.ptp(drawn, axis=1).max() < 1e-9
        assert low <= drawn.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < drawn.max() <= high
    np.testing.assert_allclose(inertia, weight[:, [payload] * 3])
    others = [i for i in range(1, nominal.nbody) if i not in (payload, nominal.body("goal").id)]
    np.testing.assert_array_equal(weight[:, others], 1.0)
    for model, offset in zip(models, stiffness, strict=True):
        np.testing.assert_allclose(model.actuator_biasprm[:, 1], nominal.actuator_biasprm[:, 1] - offset)
        np.testing.assert_array_equal(model.actuator_biasprm[:, 2], nominal.actuator_biasprm[:, 2])
    pairs = np.corrcoef([damping[:, 0], weight[:, payload], stiffness[:, 0]]) - np.eye(3)
    assert np.abs(pairs).max() < 0.4
