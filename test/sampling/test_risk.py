from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize_scalar

from gpc_ros.sampling.risk import Risk, aggregate, cvar

COSTS = arrays(np.float64, st.tuples(st.integers(2, 9), st.just(3)), elements=st.floats(-100, 100))


def eq_39(costs: np.ndarray, beta: float) -> float:
    """The infimum itself; convex and piecewise linear in z, so it is reached at one of the costs."""
    return min(z + np.mean(np.maximum(costs - z, 0)) / (1 - beta) for z in costs)


@given(COSTS, st.floats(0, 0.99))
def test_cvar_is_the_infimum_of_eq_39(costs: np.ndarray, beta: float) -> None:
    np.testing.assert_allclose(cvar(costs, beta), [eq_39(c, beta) for c in costs.T], atol=1e-9)


def test_cvar_against_a_numerical_minimization() -> None:
    costs = np.random.default_rng(0).normal(size=(8, 1))
    for beta in (0.1, 0.25, 0.6, 0.8):
        found = minimize_scalar(
            lambda z, beta=beta: z + np.mean(np.maximum(costs - z, 0)) / (1 - beta),
            bounds=(-4, 4),
            method="bounded",
            options={"xatol": 1e-12},
        )
        np.testing.assert_allclose(cvar(costs, beta), found.fun, atol=1e-6)


@given(COSTS)
def test_cvar_goes_from_mean_to_worst_case(costs: np.ndarray) -> None:
    np.testing.assert_allclose(cvar(costs, 0.0), costs.mean(axis=0), atol=1e-9)
    np.testing.assert_array_equal(cvar(costs, 1.0), costs.max(axis=0))
    np.testing.assert_allclose(cvar(costs, 1 - 1e-9), costs.max(axis=0), atol=1e-9)
    values = np.array([cvar(costs, beta) for beta in np.linspace(0, 1, 30)])
    assert (np.diff(values, axis=0) >= -1e-9).all()


def test_the_measures_by_hand() -> None:
    costs = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [6.0, 8.0]])
    np.testing.assert_allclose(aggregate(costs, Risk.MEAN), [3.0, 2.0])
    np.testing.assert_allclose(aggregate(costs, Risk.WORST_CASE), [6.0, 8.0])
    np.testing.assert_allclose(aggregate(costs, Risk.CVAR, beta=0.25), [11 / 3, 8 / 3])  # mean of the worst 75 %
    np.testing.assert_allclose(aggregate(costs, Risk.CVAR, beta=0.625), [(6 + 0.5 * 3) / 1.5, 8 / 1.5])


@pytest.mark.parametrize("risk", list(Risk))
def test_one_domain_is_its_own_cost_and_a_diverged_one_is_infinite(risk: Risk) -> None:
    assert aggregate(np.array([[3.0]]), risk, beta=0.3) == [3.0]
    costs = aggregate(np.array([[1.0, 1.0], [np.inf, 2.0], [1.0, 3.0]]), risk, beta=0.5)
    assert np.isposinf(costs[0])
    assert np.isfinite(costs[1])
