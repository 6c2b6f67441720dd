"""The stack without ROS: the same inputs give the same run, faults in the way do not bring it down."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import policies
import pytest

from gpc_ros.closed_loop import ClosedLoop
from gpc_ros.control.spc import Spc
from gpc_ros.errors import GpcError, InvalidModel, InvalidParameter, UnknownName
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
    planner = loop.planners["spc"]
    plan = planner.plan
    planner.plan = lambda estimate, previous: (stamps.append(estimate.stamp_ns), plan(estimate, previous))[1]
    loop.run(0.1)
    assert len(stamps) == 5
    assert {b - a for a, b in itertools.pairwise(stamps)} == {20_000_000}


def test_hold_needs_no_planner_and_drives_alone() -> None:
    loop = closed(controller={"planner": "hold"})
    loop.run(0.1)
    assert loop.planners == {}
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
        ("cart_pole", {"controller": {"policy_rate_hz": 25.0}}, InvalidParameter, "policy_rate_hz must be the same"),
    ],
)
def test_wrong_settings_are_refused_by_name(
    robot: str, overrides: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        ClosedLoop(robot, overrides=overrides)


@pytest.fixture(scope="module")
def balancing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that keeps cart_pole upright."""
    return policies.balancing(tmp_path_factory.mktemp("policies") / "balancing.onnx")


def upright(file: Path, planner: str, **controller: object) -> ClosedLoop:
    return closed(
        simulator={"start": "upright", "seed": 4},
        controller={"planner": planner, **controller},
        policy_server={"model_file": str(file), "seed_samples": 4},
    )


@pytest.mark.parametrize("planner", ["policy", "seeded_spc"])
def test_planners_with_a_policy_drive_bit_for_bit_the_same_each_time(balancing: Path, planner: str) -> None:
    loops = [upright(balancing, planner) for _ in range(2)]
    digests = {loop.run(0.5).digest for loop in loops}
    assert len(digests) == 1
    assert loops[0].executive.driver == planner
    assert digests != {upright(balancing, "spc").run(0.5).digest}


def test_the_policy_plans_at_every_tick_or_at_its_own_rate(balancing: Path) -> None:
    for rate, expected in ((0.0, 50), (100.0, 10)):
        settings = {"policy_rate_hz": rate}
        loop = closed(
            controller={"planner": "policy", **settings}, policy_server={"model_file": str(balancing), **settings}
        )
        stamps: list[int] = []
        planner = loop.planners["policy"]
        plan = planner.plan
        planner.plan = lambda estimate, previous, plan=plan, stamps=stamps: (
            stamps.append(estimate.stamp_ns),
            plan(estimate, previous),
        )[1]
        loop.run(0.1)
        assert len(stamps) == expected


def test_the_policy_alone_balances(balancing: Path) -> None:
    loop = upright(balancing, "policy")
    _, states, _ = loop.run(2.0).arrays()
    assert np.abs(states.qpos[:, 1] - np.pi).max() < 0.1


def test_planners_are_exchanged_twenty_times_without_a_fall_or_a_jump(balancing: Path) -> None:
    slew = 20.0
    loop = upright(balancing, "spc", slew_rate=slew)
    loop.run(0.2)
    for number in range(20):
        planner = ("seeded_spc", "policy", "spc")[number % 3]
        loop.executive.request(planner, loop.executive.stamp_ns)
        loop.run(0.1)
        assert loop.executive.driver == planner
    _, states, ctrl = loop.log.arrays()
    assert np.abs(states.qpos[:, 1] - np.pi).max() < 0.1
    width = np.ptp(loop.task.model.actuator_ctrlrange)
    assert np.abs(np.diff(ctrl, axis=0)).max() <= slew * width * loop.period_ns / NS_PER_S * (1 + 1e-9)
    assert loop.executive.counts == {}


def test_a_new_planner_begins_with_the_plan_in_force(balancing: Path) -> None:
    loop = upright(balancing, "spc")
    loop.run(0.2)
    loop.executive.request("policy", loop.executive.stamp_ns)
    given: list[Any] = []
    planner = loop._planner("policy")
    plan = planner.plan
    planner.plan = lambda estimate, previous: (given.append(previous), plan(estimate, previous))[1]
    loop.run(0.01)
    assert [previous.planner for previous in given] == ["spc", "policy", "policy", "policy", "policy"]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A policy whose numbers overflow upright."""
    return policies.write(tmp_path / "broken.onnx", feedback=np.array([[0.0, 3e38, 0.0, 0.0, 0.0]]), offset=-3e38)


def test_a_policy_without_a_finite_plan_is_not_switched_to(broken: Path) -> None:
    loop = upright(broken, "spc", switch_timeout_s=0.1)
    loop.run(0.2)
    loop.executive.request("policy", loop.executive.stamp_ns)
    _, states, _ = loop.run(0.5).arrays()
    assert loop.executive.driver == "spc"
    assert loop.executive.refusal == "no plan from 'policy' within 0.1 s (it answers that it has none); 'spc' drives on"
    assert np.abs(states.qpos[:, 1] - np.pi).max() < 0.1


def test_a_fallback_takes_over_from_a_policy_without_a_finite_plan(broken: Path) -> None:
    loop = upright(broken, "policy", fallback="spc")
    _, states, ctrl = loop.run(0.5).arrays()
    assert loop.executive.driver == "spc"
    assert np.isfinite(ctrl).all()
    assert np.abs(states.qpos[:, 1] - np.pi).max() < 0.1


@pytest.mark.parametrize("planner", ["policy", "seeded_spc"])
def test_without_a_policy_file_it_says_how_to_get_one(
    planner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpc_ros.control.policy.shipped", lambda robot: tmp_path / "none.onnx")
    with pytest.raises(InvalidModel, match=r"cart_pole has no policy: .*gpc train cart_pole"):
        closed(controller={"planner": planner})


def test_a_planner_that_runs_on_ros_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Spc, "make")
    with pytest.raises(GpcError, match="planner 'spc' has no way to run without ROS"):
        closed()
