"""Sampling-based predictive control seeded by the policy: its samples are further candidates, no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import policies
import pytest

from gpc_ros import registry
from gpc_ros.config import make
from gpc_ros.control.base import Planner
from gpc_ros.control.policy import Policy, PolicyParameters
from gpc_ros.control.seeded_spc import SeededSpc
from gpc_ros.control.spc import Spc, SpcParameters
from gpc_ros.sampling.search import Kind
from gpc_ros.signals import Estimate, Samples
from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.tasks.particle import Particle

SPC = {"samples": 4, "polish": 0, "knots": 10, "interpolation": "linear", "margin": 0.0}
STATE = Estimate(5_000_000_000, np.array([0.5, np.pi + 0.1]), np.array([0.3, -0.2]))


def spc(**values: object) -> Spc:
    return Spc(CartPole(), make(SpcParameters, {**SPC, **values}, "spc"))


def policy(file: Path, **values: object) -> Policy:
    return Policy(CartPole(), make(PolicyParameters, {"model_file": str(file), **values}, "policy_server"))


@pytest.fixture
def balancing(tmp_path: Path) -> Path:
    return policies.balancing(tmp_path / "balancing.onnx")


def test_it_is_a_planner_found_by_name() -> None:
    assert registry.load("control", "seeded_spc", Planner) is SeededSpc


def test_it_is_spc_with_the_samples_of_the_policy_as_seeds(balancing: Path) -> None:
    planner = SeededSpc(spc(), policy(balancing, seed_samples=3))
    previous = spc().plan(STATE)
    seeds = policy(balancing, seed_samples=3).samples(STATE, previous).knots
    found, expected = planner.plan(STATE, previous), spc().plan(STATE, previous, seeds)
    np.testing.assert_array_equal(found.knots, expected.knots)
    assert (found.planner, expected.planner) == ("seeded_spc", "spc")
    assert found.info["rollouts"] == 4 + 3


def test_a_sample_that_is_cheaper_is_the_plan(tmp_path: Path) -> None:
    noise = policies.write(tmp_path / "a.onnx")
    plan = SeededSpc(spc(samples=1), policy(noise)).plan(STATE)
    assert plan.info["best_kind"] == Kind.SEED
    assert plan.cost < spc(samples=1).plan(STATE).cost


def test_samples_that_are_dearer_change_nothing(tmp_path: Path) -> None:
    saturated = policies.write(tmp_path / "a.onnx", keep=0.0, offset=1.0)
    upright = Estimate(STATE.stamp_ns, np.array([0.0, np.pi]), np.zeros(2))
    plan = SeededSpc(spc(), policy(saturated)).plan(upright)
    np.testing.assert_array_equal(plan.knots, spc().plan(upright).knots)
    assert plan.info["best_kind"] != Kind.SEED


def test_samples_without_a_finite_number_leave_plain_spc(tmp_path: Path) -> None:
    broken = policies.write(
        tmp_path / "a.onnx", keep=0.0, feedback=np.array([[3e38, 0.0, 0.0, 3e38, 0.0]]), offset=3e38
    )
    plan = SeededSpc(spc(), policy(broken)).plan(STATE)
    np.testing.assert_array_equal(plan.knots, spc().plan(STATE).knots)


def test_seeds_are_moved_in_time_and_put_on_the_planners_knots() -> None:
    planner = spc(knots=3, horizon_s=0.2)  # knots 0.1 s apart
    knots = np.arange(5.0)[np.newaxis, :, np.newaxis] / 10
    samples = Samples(STATE.stamp_ns, 50_000_000, knots, SpcParameters().interpolation)
    np.testing.assert_allclose(planner.seeds(samples, STATE.stamp_ns)[0, :, 0], [0.0, 0.2, 0.4])
    np.testing.assert_allclose(planner.seeds(samples, STATE.stamp_ns + 50_000_000)[0, :, 0], [0.1, 0.3, 0.4])


def test_both_are_told_the_goal(tmp_path: Path) -> None:
    file = policies.write(tmp_path / "a.onnx", "particle", keep=0.0, feedback=-np.eye(2, 4))
    state = Estimate(STATE.stamp_ns, np.zeros(2), np.zeros(2))
    parameters = make(SpcParameters, {"samples": 1, "polish": 0, "knots": 5, "horizon_s": 0.5}, "spc")
    planner = SeededSpc(
        Spc(Particle(), parameters),
        Policy(Particle(), PolicyParameters(model_file=str(file), seed_samples=1)),
    )
    for goal in ([0.2, 0.0], [0.0, -0.2]):
        planner.set_goal(np.array(goal))
        plan = planner.plan(state)
        assert plan.info["best_kind"] == Kind.SEED
        np.testing.assert_allclose(plan.knots, np.tile(goal, (5, 1)), atol=1e-6)
