"""The stack without ROS: the same inputs give the same run, faults in the way do not bring it down."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from gpc_ros.closed_loop import ClosedLoop
from gpc_ros.errors import GpcError, InvalidParameter, UnknownName
from gpc_ros.estimation.truth import Truth
from gpc_ros.signals import NS_PER_S

SMALL = {"samples": 8, "threads": 1}


def closed(robot: str = "cart_pole", *, estimator: str = "ekf", **overrides: dict[str, Any]) -> ClosedLoop:
    return ClosedLoop(robot, overrides={"spc": SMALL, **overrides}, estimator=estimator)


@pytest.mark.parametrize("robot", ["cart_pole", "particle"])
def test_the_same_seed_gives_the_same_run_bit_for_bit(robot: str) -> None:
    runs = [closed(robot, simulator={"seed": 5, "start": "random"}).run(0.2) for _ in range(2)]
    assert runs[0].digest == runs[1].digest
    assert runs[0].summary() == runs[1].summary()


@pytest.mark.parametrize("changed", [{"seed": 6}, {"noise.position": 2e-3}, {"start": "named"}])
def test_another_seed_noise_or_start_gives_another_run(changed: dict[str, Any]) -> None:
    base = {"seed": 5, "start": "random"}
    assert closed(simulator=base).run(0.1).digest != closed(simulator={**base, **changed}).run(0.1).digest


def test_a_run_has_the_ticks_of_its_duration() -> None:
    loop = closed()
    log = loop.run(0.1)
    times, _, ctrl = log.arrays()
    assert len(times) == 50
    assert np.allclose(np.diff(times), loop.period_ns / NS_PER_S, rtol=0, atol=1e-12)
    low, high = loop.task.model.actuator_ctrlrange.T
    assert np.all((ctrl >= low) & (ctrl <= high))


def test_it_replans_at_its_own_rate() -> None:
    loop = closed()
    stamps: list[int] = []
    planner = loop.planner
    plan = planner.plan
    planner.plan = lambda estimate, previous: (stamps.append(estimate.stamp_ns), plan(estimate, previous))[1]
    loop.run(0.1)
    assert len(stamps) == 5
    assert {b - a for a, b in itertools.pairwise(stamps)} == {20_000_000}


def test_hold_needs_no_planner_and_drives_alone() -> None:
    loop = closed(controller={"planner": "hold"})
    loop.run(0.1)
    assert loop.planner is None
    assert loop.executive.driver == "hold"


def test_it_drives_with_the_planner_once_the_estimate_has_converged() -> None:
    loop = closed()
    loop.run(0.1)
    assert loop.executive.driver == "spc"
    assert not {name for name in loop.executive.counts if name != "fallbacks"}  # nothing was refused


def test_the_truth_sees_the_state_itself() -> None:
    loop = closed(estimator="truth", simulator={"noise.position": 0.5, "seed": 1})
    assert isinstance(loop.estimator, Truth)
    for _ in range(5):
        before = loop.simulation.data.qpos.copy(), loop.simulation.data.qvel.copy()
        loop.tick()
        estimate = loop.executive._estimate
        assert np.array_equal(estimate.qpos, before[0])
        assert np.array_equal(estimate.qvel, before[1])


def test_the_filter_tracks_the_truth_within_its_noise() -> None:
    loop = closed(simulator={"seed": 2})
    loop.run(0.3)
    estimate = loop.executive._estimate
    _, states, _ = loop.log.arrays()
    index = (estimate.stamp_ns - NS_PER_S) // loop.period_ns
    assert np.abs(estimate.qpos - states.qpos[index]).max() < 0.01


def test_an_unstable_plant_begins_an_epoch_and_a_log_of_its_own() -> None:
    loop = closed("particle", simulator={"seed": 1, "start": "random"})
    loop.run(0.1)
    loop.simulation.data.qvel[:] = 1e12
    loop.tick()
    assert loop.simulation.epoch == 1
    assert np.array_equal(loop.log.goal, loop.simulation.goal)
    log = loop.run(0.1)
    assert len(log.arrays()[0]) == 50
    assert loop.executive.driver == "spc"
    assert not [name for name in loop.executive.counts if "epoch" in name]


BALANCING = {"start": "upright", "seed": 4}


@pytest.mark.parametrize(
    ("simulator", "estimator"),
    [
        ({}, {}),
        ({"faults.drop": 0.3}, {}),
        ({"faults.outlier": 0.05}, {}),
        ({"measurement_delay_s": 0.004}, {}),
        ({"actuation_delay_s": 0.006}, {"actuation_delay_s": 0.006}),
        ({"faults.drop": 0.2, "measurement_delay_s": 0.002, "noise.acceleration": 0.5}, {}),
        ({"model_error": ["body_mass=1.2"]}, {}),
    ],
    ids=["nothing", "drops", "outliers", "late measurements", "late actuators", "all together", "wrong mass"],
)
def test_it_balances_in_spite_of(simulator: dict[str, Any], estimator: dict[str, Any]) -> None:
    overrides = {"spc": {"threads": 1}, "simulator": {**BALANCING, **simulator}, "estimator": estimator}
    loop = ClosedLoop("cart_pole", overrides=overrides)
    log = loop.run(1.5)
    _, states, ctrl = log.arrays()
    assert loop.simulation.epoch == 0
    assert np.isfinite(ctrl).all()
    upright = loop.task.start("upright").qpos
    assert np.abs(states.qpos[250:] - upright).max() < 0.3


def test_all_measurements_lost_the_robot_gets_its_safe_command() -> None:
    loop = closed(simulator={"faults.drop": 1.0})
    _, _, ctrl = loop.run(0.05).arrays()
    assert np.array_equal(ctrl, np.zeros_like(ctrl))


def test_measurements_that_are_not_finite_do_not_reach_the_actuators() -> None:
    loop = closed(simulator=BALANCING)
    loop.run(0.1)
    loop.simulation.configure(
        loop.simulation.parameters.model_copy(
            update={"faults": loop.simulation.parameters.faults.model_copy(update={"nonfinite": True})}
        )
    )
    _, states, ctrl = loop.run(0.1).arrays()
    assert np.isfinite(ctrl).all()
    assert np.isfinite(states.qpos).all()
    assert loop.estimator.counters["nonfinite"] == 49  # the first of the fifty had been measured before


@pytest.mark.parametrize(
    ("robot", "overrides", "error", "words"),
    [
        ("elbow", {}, UnknownName, "unknown robot 'elbow'"),
        ("cart_pole", {"controller": {"planner": "elbow"}}, UnknownName, "unknown planner 'elbow'"),
        ("cart_pole", {"spc": {"samples": 0}}, InvalidParameter, "spc: samples = 0"),
        ("cart_pole", {"spc": {"elbow": 0}}, UnknownName, "parameter of spc 'elbow'"),
        ("cart_pole", {"simulator": {"start": "elbow"}}, GpcError, "no keyframe 'elbow'"),
        ("cart_pole", {"simulator": {"model_error": ["elbow=1"]}}, InvalidParameter, "elbow"),
        ("cart_pole", {"simulator": {"rate_hz": 250.0}}, InvalidParameter, "rate_hz must be the same"),
        ("cart_pole", {"spc": {"plan_rate_hz": 25.0}}, InvalidParameter, "plan_rate_hz must be the same"),
    ],
)
def test_wrong_settings_are_refused_by_name(
    robot: str, overrides: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        ClosedLoop(robot, overrides=overrides)
