"""Candidates for the eye: spread over the ranks of the newest replan, and no planner plans otherwise for it."""

from __future__ import annotations

import numpy as np
import pytest

from gpc_ros.control.spc import Spc, SpcParameters
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Estimate
from gpc_ros.tasks.cart_pole import CartPole

QUICK = {"samples": 12, "horizon_s": 0.4, "knots": 4, "noise": 0.3, "rule": "mppi", "polish": 0}


def spc(**values: object) -> Spc:
    return Spc(CartPole(), SpcParameters.model_validate(QUICK | values))


def estimate(stamp_ns: int = 40_000_000, *, speed: float = 0.0) -> Estimate:
    return Estimate(stamp_ns, np.array([0.0, 0.4]), np.array([speed, 0.0]), epoch=3)


def test_before_the_first_plan_there_are_none() -> None:
    planner = spc()
    assert planner.candidates(5) is None
    planner.plan(estimate(speed=np.nan))
    assert planner.candidates(5) is None


@pytest.mark.parametrize(("count", "given"), [(5, 5), (12, 12), (40, 12), (1, 1), (0, 0)])
def test_they_go_from_the_cheapest_to_the_dearest(count: int, given: int) -> None:
    planner = spc()
    planner.plan(estimate())
    samples, costs = planner.candidates(count)
    everything, every_cost = planner.candidates(12)
    assert samples.knots.shape == (given, 4, 1)
    assert costs.tolist() == sorted(costs)
    if count > 1:
        assert (costs[0], costs[-1]) == (every_cost[0], every_cost[-1])
    assert {knots.tobytes() for knots in samples.knots} <= {knots.tobytes() for knots in everything.knots}


def test_they_cost_what_they_say() -> None:
    planner = spc()
    planner.plan(estimate())
    samples, costs = planner.candidates(3)
    evaluator = planner._setup.evaluator
    evaluator.begin(estimate().qpos, estimate().qvel, np.empty(0))
    np.testing.assert_allclose(evaluator.costs(samples.knots).values, costs)


@pytest.mark.parametrize("kind", Interpolation)
def test_they_stand_where_the_plan_does(kind: Interpolation) -> None:
    planner = spc(interpolation=kind)
    plan = planner.plan(estimate())
    samples, _ = planner.candidates(3)
    for name in ("start_ns", "period_ns", "interpolation", "epoch"):
        assert getattr(samples, name) == getattr(plan, name)


def test_seeds_are_among_them() -> None:
    planner = spc(samples=2)
    seed = np.full((4, 1), 0.7)
    planner.plan(estimate(), None, seed[np.newaxis])
    samples, _ = planner.candidates(10)
    assert seed.tolist() in samples.knots.tolist()


def test_those_that_diverge_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    planner = spc()
    evaluator = planner._setup.evaluator
    evaluate = type(evaluator).costs

    def some(self: object, knots: np.ndarray) -> object:
        found = evaluate(evaluator, knots)
        found.values[3:8] = np.inf
        return found

    monkeypatch.setattr(type(evaluator), "costs", some)
    planner.plan(estimate())
    samples, costs = planner.candidates(12)
    assert len(samples.knots) == len(costs) == 7
    assert np.isfinite(costs).all()


def test_to_ask_for_them_changes_no_plan() -> None:
    asked, quiet = spc(iterations=2), spc(iterations=2)
    for tick in range(1, 4):
        first, second = asked.plan(estimate(tick * 20_000_000)), quiet.plan(estimate(tick * 20_000_000))
        asked.candidates(12)
        assert first.knots.tobytes() == second.knots.tobytes()
