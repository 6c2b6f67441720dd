"""The learned cost-to-go."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

torch = pytest.importorskip("torch")

from gpc_ros.learning.batched_search import Problem  # noqa: E402
from gpc_ros.learning.teacher import Teacher, TeacherSettings  # noqa: E402
from gpc_ros.learning.value import TerminalValueNetwork  # noqa: E402
from gpc_ros.sampling.objective import Objective  # noqa: E402
from gpc_ros.sampling.rollout import Rollouts  # noqa: E402
from gpc_ros.tasks.base import States  # noqa: E402
from gpc_ros.tasks.particle import Particle  # noqa: E402

TASK = Particle()
GOAL = np.array([0.1, -0.1])


def seed(number: int = 0) -> np.random.SeedSequence:
    return np.random.SeedSequence(number)


def states(count: int, number: int = 0) -> States:
    rng = np.random.default_rng(number)
    return States(rng.uniform(-0.3, 0.3, (count, 2)), rng.uniform(-0.5, 0.5, (count, 2)))


def quadratic(observation: np.ndarray) -> np.ndarray:
    return 0.2 + 20.0 * (observation[:, :2] ** 2).sum(axis=1) + observation[:, 2] ** 2


def network(steps: int = 0, **options: int) -> TerminalValueNetwork:
    found = TerminalValueNetwork(TASK, 4, seed=options.get("seed", 0))
    if steps:
        observation = TASK.observe(states(500), GOAL)
        found.fit(observation, quadratic(observation), steps=steps, seed=seed())
    return found


def value_of(found: TerminalValueNetwork, where: States) -> np.ndarray:
    return sum(component**2 for component in found(where, GOAL))


def test_it_fits_a_quadratic() -> None:
    where = states(200, 1)
    expected = quadratic(TASK.observe(where, GOAL))
    error = value_of(network(400), where) - expected
    assert np.sqrt(np.mean(error**2)) < 0.15 * expected.std()


def test_its_residuals_are_the_components_of_the_network() -> None:
    """In double precision and by numpy, but the same function as in torch."""
    found, where = network(20), states(7)
    inputs = torch.from_numpy((TASK.observe(where, GOAL) - found.mean) / found.std).float()
    with torch.no_grad():
        for layer in found.layers[:-1]:
            inputs = torch.nn.functional.silu(layer(inputs))
        expected = found.layers[-1](inputs).numpy()
    np.testing.assert_allclose(np.stack(found(where, GOAL), axis=-1), expected, atol=1e-5)


def test_leading_axes_are_kept() -> None:
    found, where = network(5), states(6)
    folded = States(where.qpos.reshape(2, 3, 2), where.qvel.reshape(2, 3, 2))
    goals = np.broadcast_to(GOAL, (3, 2))  # one per candidate
    np.testing.assert_allclose(np.stack(found(folded, goals)), np.stack(found(where, GOAL)).reshape(-1, 2, 3))


def test_costs_that_are_not_finite_are_left_out() -> None:
    observation = TASK.observe(states(500), GOAL)
    cost = quadratic(observation)
    plain, gaps = network(), network()
    plain.fit(observation[:400], cost[:400], steps=5, seed=seed())
    cost[400:], observation[400:] = np.inf, 1e9
    gaps.fit(observation, cost, steps=5, seed=seed())
    np.testing.assert_array_equal(value_of(gaps, states(5)), value_of(plain, states(5)))


@pytest.mark.filterwarnings("error")
def test_a_diverged_state_has_no_value_and_makes_no_noise() -> None:
    found = value_of(network(5), States(np.full((1, 2), 1e300), np.full((1, 2), np.inf)))
    assert not np.isfinite(found).any()


def test_seeds_decide() -> None:
    observation = TASK.observe(states(500), GOAL)
    found = {}
    for name, (start, batches) in {"a": (0, 0), "same": (0, 0), "start": (1, 0), "batches": (0, 1)}.items():
        each = network(seed=start)
        each.fit(observation, quadratic(observation), steps=5, seed=seed(batches))
        found[name] = value_of(each, states(5)).tobytes()
    assert found["a"] == found["same"]
    assert len(set(found.values())) == 3


def test_it_can_be_saved_and_taken_up() -> None:
    found, again = network(20), network(seed=5)
    assert again.tensors() == {}  # nothing to use yet
    again.restore({name: tensor.clone() for name, tensor in found.tensors().items()})
    np.testing.assert_array_equal(value_of(again, states(5)), value_of(found, states(5)))
    observation = TASK.observe(states(500), GOAL)
    for each in (found, again):
        each.fit(observation, quadratic(observation), steps=5, seed=seed(1))
    np.testing.assert_array_equal(value_of(again, states(5)), value_of(found, states(5)))


def test_in_the_objective_its_squares_are_the_terminal_cost() -> None:
    value = network(20)
    objective = Objective(TASK, terminal_value=value)
    trajectories = Rollouts([TASK.model], steps=4).roll(*(np.zeros(2),) * 2, np.full((3, 4, 2), [0.5, -1.0]))
    shares = objective.shares(trajectories, GOAL)
    assert objective.terms[-1] == "terminal_value"
    end = States(trajectories.states.qpos[0, :, -1], trajectories.states.qvel[0, :, -1])
    np.testing.assert_allclose(shares[-1, 0], value_of(value, end))
    np.testing.assert_allclose((objective.residuals(trajectories, GOAL) ** 2).sum(axis=-1), shares.sum(axis=0))


def test_a_polish_lowers_the_cost_with_it() -> None:
    where = states(6)
    problem = Problem(where.qpos, where.qvel, np.tile(GOAL, (6, 1)), np.zeros((6, 3, 2)), np.empty((6, 0, 3, 2)))
    value = network(60)
    costs = [
        Teacher(TASK, TeacherSettings(tiny.spc_parameters(samples=1, polish=polish), terminal_value=value))
        .improve(problem, np.random.default_rng(0))
        .costs
        for polish in (0, 1, 3)
    ]
    assert (costs[0] > costs[1]).all()
    assert (costs[1] >= costs[2]).all()
