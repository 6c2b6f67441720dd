from __future__ import annotations

import numpy as np
import pytest

from gpc_ros.errors import UnknownName
from gpc_ros.sampling.objective import Objective
from gpc_ros.sampling.rollout import Rollouts, Trajectories
from gpc_ros.signals import Array
from gpc_ros.tasks.base import States, Task
from gpc_ros.tasks.particle import Particle

GOAL = np.array([0.8])
STEPS = 25


def rolled(task: Task, *, domains: int = 1) -> Trajectories:
    models = [task.randomize(np.random.default_rng(d)) for d in range(domains)]
    ctrl = np.random.default_rng(0).uniform(-1, 3, (4, STEPS, 1))
    rollouts = Rollouts(models, steps=STEPS, sensors=task.needs_sensors)
    return rollouts.roll(np.array([0.2]), np.array([-1.0]), ctrl)


def test_cost_is_the_sum_over_planning_steps_and_the_end(puck: Task) -> None:
    trajectories = rolled(puck, domains=3)
    costs = Objective(puck).costs(trajectories, GOAL)
    states = trajectories.states
    for d in range(3):
        for n in range(4):
            expected = 0.0
            for t in range(STEPS):
                state = States(states.qpos[d, n, t], states.qvel[d, n, t])
                expected += 0.02 * puck.running_cost(state, trajectories.controls[n, t], GOAL)
            expected += puck.terminal_cost(States(states.qpos[d, n, -1], states.qvel[d, n, -1]), GOAL)
            np.testing.assert_allclose(costs[d, n], expected)


def test_residuals_and_shares_add_up_to_the_cost(puck: Task) -> None:
    trajectories = rolled(puck, domains=2)
    objective = Objective(puck)
    costs = objective.costs(trajectories, GOAL)
    np.testing.assert_allclose((objective.residuals(trajectories, GOAL) ** 2).sum(axis=-1), costs)
    shares = objective.shares(trajectories, GOAL)
    np.testing.assert_allclose(shares.sum(axis=0), costs)
    assert objective.terms == ("running_place", "running_effort", "running_unused", "terminal_place", "terminal_speed")
    assert (shares[2] == 0).all()


def test_sensors_tell_the_same_cost_as_the_state(puck: Task, puck_by_sensors: Task) -> None:
    by_state = Objective(puck).costs(rolled(puck), GOAL)
    np.testing.assert_allclose(Objective(puck_by_sensors).costs(rolled(puck_by_sensors), GOAL), by_state, rtol=1e-12)


def test_weights_replace_those_of_the_task(puck: Task) -> None:
    trajectories = rolled(puck)
    plain = Objective(puck).shares(trajectories, GOAL)
    changed = Objective(puck, running={"effort": 0.3, "unused": 1.0}, terminal={"speed": 0.0})
    shares = changed.shares(trajectories, GOAL)
    np.testing.assert_allclose(shares[1], 3 * plain[1])
    np.testing.assert_allclose(shares[2], plain[0] / 2)
    assert (shares[4] == 0).all()
    np.testing.assert_allclose((changed.residuals(trajectories, GOAL) ** 2).sum(axis=-1), shares.sum(axis=0))


def test_diverged_trajectories_cost_infinity(puck: Task) -> None:
    trajectories = rolled(puck)
    trajectories.finite[0, 1] = False
    trajectories.states.qpos[0, 2, 5] = 1e300  # its square overflows
    costs = Objective(puck).costs(trajectories, GOAL)[0]
    assert np.isfinite(costs).tolist() == [True, False, False, True]


@pytest.mark.parametrize("kind", ["running", "terminal"])
def test_weight_of_an_unknown_term_is_refused_with_the_valid_ones(puck: Task, kind: str) -> None:
    with pytest.raises(UnknownName, match=f"unknown {kind} cost term 'plase'. Did you mean 'place'"):
        Objective(puck, **{kind: {"plase": 1.0}})


def distance_squared(states: States, goal: Array) -> tuple[Array, ...]:
    """A cost-to-go of three components."""
    return (states.qpos[..., 0] - goal[0], 0.5 * states.qvel[..., 0], np.full(states.qpos.shape[:-1], 2.0))


def test_a_terminal_value_takes_the_place_of_all_terminal_terms(puck: Task) -> None:
    trajectories = rolled(puck, domains=2)
    objective = Objective(puck, terminal={"place": 7.0}, terminal_value=distance_squared)
    assert objective.terms == ("running_place", "running_effort", "running_unused", "terminal_value")
    running = Objective(puck, terminal={"place": 0.0, "speed": 0.0}).costs(trajectories, GOAL)
    end_q, end_v = trajectories.states.qpos[..., -1, 0], trajectories.states.qvel[..., -1, 0]
    value = (end_q - GOAL[0]) ** 2 + 0.25 * end_v**2 + 4.0
    costs = objective.costs(trajectories, GOAL)
    np.testing.assert_allclose(costs, running + value)
    np.testing.assert_allclose(objective.shares(trajectories, GOAL)[-1], value)
    np.testing.assert_allclose((objective.residuals(trajectories, GOAL) ** 2).sum(axis=-1), costs)


def test_a_terminal_value_that_is_not_finite_costs_infinity(puck: Task) -> None:
    trajectories = rolled(puck)
    trajectories.states.qpos[0, 2, -1] = np.inf
    costs = Objective(puck, terminal_value=distance_squared).costs(trajectories, GOAL)[0]
    assert np.isfinite(costs).tolist() == [True, True, False, True]


@pytest.mark.parametrize("valued", [False, True])
def test_each_candidate_may_have_a_goal_of_its_own(valued: bool) -> None:
    task, rng = Particle(), np.random.default_rng(0)
    models = [task.randomize(np.random.default_rng(d)) for d in range(3)]
    trajectories = Rollouts(models, steps=5).roll(np.zeros(2), np.zeros(2), rng.uniform(-1, 1, (4, 5, 2)))
    objective = Objective(task, terminal_value=task_value if valued else None)
    goals = rng.uniform(-0.3, 0.3, (4, 2))
    costs, residuals = objective.costs(trajectories, goals), objective.residuals(trajectories, goals)
    np.testing.assert_allclose((residuals**2).sum(axis=-1), costs)
    for candidate, goal in enumerate(goals):
        np.testing.assert_allclose(costs[:, candidate], objective.costs(trajectories, goal)[:, candidate])
    assert len(np.unique(objective.costs(trajectories, np.tile(goals[0], (4, 1))) - costs)) > 4


def task_value(states: States, goal: Array) -> tuple[Array, ...]:
    return tuple(np.moveaxis(states.qpos - goal, -1, 0))


@pytest.mark.parametrize("valued", [False, True])
def test_a_goal_gain_moves_the_goal_of_the_tasks_terms_alone(puck: Task, valued: bool) -> None:
    trajectories, value = rolled(puck), distance_squared if valued else None
    gained = Objective(puck, goal_gain=1.5, terminal_value=value).shares(trajectories, GOAL)
    plain, meant = (Objective(puck, terminal_value=value).shares(trajectories, goal) for goal in (GOAL, 1.5 * GOAL))
    own = -1 if valued else len(plain)
    np.testing.assert_allclose(gained[:own], meant[:own])
    np.testing.assert_allclose(gained[own:], plain[own:])
    assert not np.allclose(gained, plain)
