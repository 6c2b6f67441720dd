"""What every robot must keep, by whatever file or package it comes: a new one is checked here without an edit."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from gpc_ros import actuators, registry
from gpc_ros.coordinates import Coordinates
from gpc_ros.signals import NS_PER_S
from gpc_ros.tasks.base import States, Task

SHAPES = [(), (3,), (2, 1, 4), (0,)]


@pytest.fixture(scope="module", params=registry.names("tasks"))
def task(request) -> Task:
    return registry.load("tasks", request.param, Task)()


def terms(task, states, ctrl, goal):
    """Both sets of residuals with their weights."""
    yield task.running_residuals(states, ctrl, goal), task.running_weights
    yield task.terminal_residuals(states, goal), task.terminal_weights


def test_name_is_that_of_the_module_and_of_the_model_folder(task):
    assert task.name in registry.names("tasks")
    assert task.model_file.parent.name == task.name


def test_model_has_what_the_stack_needs(task):
    model = task.model
    assert len(Coordinates(model).names) == model.nv
    assert all(actuators.names(model))
    assert len(set(actuators.names(model))) == model.nu
    assert model.actuator_ctrllimited.all()
    assert (np.diff(model.actuator_ctrlrange) > 0).all()
    assert {model.key(i).name for i in range(model.nkey)} >= {"home", task.named_start}
    assert mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, "fixed") >= 0
    assert NS_PER_S * model.opt.timestep == pytest.approx(round(NS_PER_S * model.opt.timestep), abs=1e-3)
    assert model.nkey == 0 or np.isfinite(model.key_qpos).all()


def test_named_start_runs(task):
    model, data = task.load_model(), mujoco.MjData(task.model)
    start = task.start(task.named_start)
    data.qpos[:], data.qvel[:] = start.qpos, start.qvel
    data.ctrl[:] = model.actuator_ctrlrange.mean(axis=1)
    mujoco.mj_step(model, data, 20)
    assert data.time == pytest.approx(20 * model.opt.timestep)  # MuJoCo resets a state that diverges
    assert np.isfinite(data.qpos).all()


def test_the_solver_goes_to_its_end(task):
    """A planner whose contacts are solved halfway plans for another world than the robot's."""
    rng = np.random.default_rng(0)
    starts = [task.start(task.named_start), *(task.reset(rng) for _ in range(3))]
    steps = round(0.5 / task.model.opt.timestep)
    ctrl = np.repeat(rng.uniform(*task.model.actuator_ctrlrange.T, (5, task.model.nu)), -(-steps // 5), axis=0)
    for start in starts:
        ends = [end_of(model, start, ctrl[:steps]) for model in (task.load_model(), thorough(task))]
        np.testing.assert_allclose(*ends, atol=0.05)  # a limit met a little earlier is amplified by some plants


def thorough(task):
    model = task.load_model()
    model.opt.iterations, model.opt.ls_iterations = 200, 50
    return model


def end_of(model, start, ctrl):
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = start.qpos, start.qvel
    for row in ctrl:
        data.ctrl[:] = row
        mujoco.mj_step(model, data)
    return data.qpos


def test_loaded_models_are_fresh(task):
    assert task.load_model() is not task.load_model()
    assert task.model is task.model


def test_weights_name_the_terms_and_are_positive(task, batch):
    sample = batch(task, ())
    for residuals, weights in terms(task, sample.states, sample.ctrl, sample.goal):
        assert set(residuals) == set(weights)
        assert all(weight >= 0 for weight in weights.values())
        assert any(weights.values())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_follow_the_batch(task, batch, shape):
    sample = batch(task, shape)
    for residuals, _ in terms(task, sample.states, sample.ctrl, sample.goal):
        for name, components in residuals.items():
            assert [np.shape(component) for component in components] == [shape] * len(components), name
    assert task.running_cost(sample.states, sample.ctrl, sample.goal).shape == shape
    assert task.terminal_cost(sample.states, sample.goal).shape == shape
    assert task.at_goal(sample.states, sample.goal).shape == shape
    assert np.asarray(task.at_goal(sample.states, sample.goal)).dtype == bool
    single = batch(task, ())
    ny = task.observe(single.states, single.goal).size
    assert task.observe(sample.states, sample.goal).shape == (*shape, ny)


def test_batch_is_a_loop(task, batch):
    sample = batch(task, (2, 5))
    running = task.running_cost(sample.states, sample.ctrl, sample.goal)
    terminal = task.terminal_cost(sample.states, sample.goal)
    seen = task.observe(sample.states, sample.goal)
    reached = task.at_goal(sample.states, sample.goal)
    for index in np.ndindex(2, 5):
        states, ctrl = sample.at(index)
        np.testing.assert_allclose(task.running_cost(states, ctrl, sample.goal), running[index], rtol=1e-12)
        np.testing.assert_allclose(task.terminal_cost(states, sample.goal), terminal[index], rtol=1e-12)
        np.testing.assert_allclose(task.observe(states, sample.goal), seen[index], rtol=1e-12, atol=1e-15)
        assert task.at_goal(states, sample.goal) == reached[index]


def test_cost_is_the_weighted_sum_of_squares(task, batch):
    sample = batch(task, (6,))
    pairs = list(terms(task, sample.states, sample.ctrl, sample.goal))
    costs = task.running_cost(sample.states, sample.ctrl, sample.goal), task.terminal_cost(sample.states, sample.goal)
    for (residuals, weights), cost in zip(pairs, costs, strict=True):
        total = np.zeros(6)
        for name, components in residuals.items():
            for component in components:
                total += weights[name] * np.square(component)
        np.testing.assert_allclose(cost, total, rtol=1e-12)
        assert np.isfinite(cost).all()


def test_observation_tells_states_apart(task, batch):
    sample = batch(task, (20,))
    seen = task.observe(sample.states, sample.goal)
    assert np.isfinite(seen).all()
    assert len(np.unique(seen, axis=0)) == 20


def test_reset_is_seeded_and_fits_the_model(task):
    draws = [task.reset(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    for name in ("qpos", "qvel", "goal"):
        np.testing.assert_array_equal(getattr(draws[0], name), getattr(draws[1], name))
    assert not np.array_equal(draws[0].qpos, draws[2].qpos)
    for draw in draws:
        assert draw.qpos.shape == (task.model.nq,)
        assert draw.qvel.shape == (task.model.nv,)
        assert draw.goal.shape == (len(task.goal),)
        normal = draw.qpos.copy()
        mujoco.mj_normalizeQuat(task.model, normal)
        np.testing.assert_allclose(draw.qpos, normal, atol=1e-9)


def test_every_number_of_the_goal_has_a_name_and_a_place_in_a_pose(task):
    names = task.goal_names[: len(task.goal)]
    assert len(set(names)) == len(task.goal)
    assert set(names) <= {"x", "y", "z", "yaw"} or len(names) <= 3


def test_start_does_not_lend_the_model(task):
    start = task.start(task.named_start)
    start.qpos[:] = 99.0
    assert not np.array_equal(task.start(task.named_start).qpos, start.qpos)


def test_success_asks_for_the_whole_final_window(task):
    if type(task).success is not Task.success:
        pytest.skip("has a criterion of its own over the whole run")
    at_goal = np.ones(1001, dtype=bool)
    times = np.linspace(0.0, 10.0, 1001)
    states = States(np.empty((1001, task.model.nq)), np.empty((1001, task.model.nv)))
    task.at_goal = lambda states, goal: at_goal
    try:
        assert task.success(states, times, np.array(task.goal))
        at_goal[: round(100 * (10.0 - task.success_window_s)) - 1] = False
        assert task.success(states, times, np.array(task.goal))
        at_goal[-1] = False
        assert not task.success(states, times, np.array(task.goal))
        at_goal[-1] = True
        at_goal[round(100 * (10.0 - task.success_window_s)) + 1 : -1] = False
        assert task.success(states, times, np.array(task.goal)) is (task.success_window_s == 0.0)
    finally:
        del task.at_goal


def test_a_state_that_is_not_finite_is_not_at_the_goal(task):
    sensors = np.full(task.model.nsensordata, np.nan) if task.needs_sensors else None
    states = States(np.full(task.model.nq, np.nan), np.full(task.model.nv, np.nan), sensors)
    assert not task.at_goal(states, np.array(task.goal))


def test_randomize_is_seeded_and_leaves_the_nominal_model_alone(task):
    drawn = [task.randomize(np.random.default_rng(seed)) for seed in (1, 1)]
    assert drawn[0] is not drawn[1]
    assert drawn[0] is not task.model
    for name in ("body_mass", "body_inertia", "dof_damping", "actuator_gainprm", "actuator_biasprm", "geom_friction"):
        np.testing.assert_array_equal(getattr(drawn[0], name), getattr(drawn[1], name))
        np.testing.assert_array_equal(getattr(task.model, name), getattr(task.load_model(), name))
    sizes = [(m.nq, m.nv, m.nu, m.nsensordata, m.opt.timestep) for m in (drawn[0], task.model)]
    assert sizes[0] == sizes[1]


def test_run_is_longer_than_the_success_window(task):
    assert task.episode_s > task.success_window_s >= 0.0
