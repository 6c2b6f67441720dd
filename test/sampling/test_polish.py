from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from gpc_ros.sampling import polish
from gpc_ros.sampling.risk import Risk
from gpc_ros.tasks.base import Task

DAMPINGS = polish.dampings(1e-5)


def linear(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(12, 5)), rng.normal(size=12)


@pytest.mark.parametrize("size", [0.05, 0.01, 1e-4])
def test_jacobian_by_inward_differences_is_the_analytic_one(size: float) -> None:
    point = np.array([0.2, -1.0, 1.0, 0.0])
    beside, moves = polish.perturbations(point, size)
    assert np.abs(beside).max() <= 1.0
    found = polish.jacobian(np.sin(point), np.sin(beside), moves)
    np.testing.assert_allclose(found, np.diag(np.cos(point)), atol=size)  # half a perturbation times the curvature
    A, b = linear(0)
    beside, moves = polish.perturbations(np.zeros(5), size)
    np.testing.assert_allclose(polish.jacobian(-b, beside @ A.T - b, moves), A, atol=1e-10)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_undamped_step_solves_linear_least_squares_inside_the_box(seed: int, scale: float) -> None:
    A, b = linear(seed)
    b = scale * b
    point = np.random.default_rng(seed).uniform(-1, 1, 5)
    reached = polish.steps(point, A @ point - b, A, dampings=np.array([1e-12]))[0]
    assert np.abs(reached).max() <= 1.0
    best = lsq_linear(A, b, bounds=(-1, 1))
    cost = 0.5 * np.sum((A @ reached - b) ** 2)
    assert cost <= best.cost + 0.02 * (0.5 * np.sum((A @ point - b) ** 2) - best.cost) + 1e-9


def test_saturated_variables_are_made_up_for_by_the_others() -> None:
    A, b = np.array([[1.0, 1.0], [0.0, 0.1]]), np.array([1.8, 0.0])  # free optimum (1.8, 0), in the box (1, 0.79)
    reached = polish.steps(np.zeros(2), -b, A, dampings=np.array([1e-12]))[0]
    best = lsq_linear(A, b, bounds=(-1, 1)).x
    np.testing.assert_allclose(reached, best, atol=1e-6)
    clipped_only = np.clip(np.linalg.lstsq(A, b, rcond=None)[0], -1, 1)
    assert np.abs(clipped_only - best).max() > 0.5  # clipping alone, the mutant, is far off


def test_batches_are_loops() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (3, 5))
    problems = [linear(seed) for seed in range(3)]
    residuals = np.array([A @ p - b for (A, b), p in zip(problems, points, strict=True)])
    jacobians = np.array([A for A, _ in problems])
    together = polish.steps(points, residuals, jacobians, dampings=DAMPINGS)
    assert together.shape == (3, len(DAMPINGS), 5)
    for e in range(3):
        np.testing.assert_allclose(
            together[e], polish.steps(points[e], residuals[e], jacobians[e], dampings=DAMPINGS), atol=1e-12
        )


def test_strong_damping_is_a_short_step_down_the_gradient() -> None:
    A, b = linear(0)
    step = polish.steps(np.zeros(5), -b, A, dampings=np.array([1e6]))[0]
    np.testing.assert_allclose(step / np.linalg.norm(step), A.T @ b / np.linalg.norm(A.T @ b), atol=1e-5)


def test_flat_residuals_leave_the_point_where_it_is() -> None:
    point = np.full(4, 0.3)
    reached = polish.steps(point, np.ones(6), np.zeros((6, 4)), dampings=DAMPINGS)
    np.testing.assert_array_equal(reached, np.tile(point, (len(DAMPINGS), 1)))


@pytest.mark.parametrize(("domains", "risk"), [(1, Risk.MEAN), (3, Risk.MEAN), (3, Risk.CVAR)])
def test_polish_of_a_plan_gains_and_stays_in_range(puck: Task, make_evaluator, domains: int, risk: Risk) -> None:
    evaluator = make_evaluator(puck, domains=domains, risk=risk)
    knots = evaluator.clip(np.random.default_rng(0).normal(1.0, 1.0, (5, 1)))
    before = evaluator.costs(knots[np.newaxis]).values[0]
    tried, costs = evaluator.polished(knots, 0.01, 1e-5)
    assert tried.min() >= -1.0
    assert tried.max() <= 3.0
    assert costs.values.min() < before
    np.testing.assert_allclose(costs.values, evaluator.costs(tried).values)
    if risk is Risk.MEAN:
        np.testing.assert_allclose(costs.shares.sum(axis=0), costs.values)


def test_polish_of_a_diverging_plan_gives_it_back(puck: Task, make_evaluator) -> None:
    evaluator = make_evaluator(puck)
    evaluator.begin(np.array([np.inf]), np.zeros(1), np.array(puck.goal))
    tried, costs = evaluator.polished(np.ones((5, 1)), 0.01, 1e-5)
    np.testing.assert_array_equal(tried, np.ones((1, 5, 1)))
    assert np.isposinf(costs.values).all()
