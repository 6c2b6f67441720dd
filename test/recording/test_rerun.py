"""Estimator and planners once more on a recording: in lock-step with equal results, bit for bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mcap", reason="needs mcap")
pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
import tapes

from gpc_ros import registry
from gpc_ros.cli.main import main
from gpc_ros.control.lead import Lead, driving
from gpc_ros.control.previous import Previous
from gpc_ros.nodes.codec import Codec
from gpc_ros.recording import rerun
from gpc_ros.recording.reader import Recording
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Estimate, Plan, Samples
from gpc_ros.tasks.base import Task

MS = tapes.MS
NOISE = {"noise.position": 0.002, "seed": 3}
SMALL = {"samples": 8, "polish": 0}  # polished, a plan for so simple a robot is the best one whatever the samples
LOCKSTEP = {"lockstep": True}


def run(robot: str, *, ticks: int = 60, **overrides: dict[str, Any]) -> tapes.Run:
    given = {"simulator": NOISE, "spc": SMALL, **overrides}
    found = tapes.Run(robot, given)
    for _ in range(ticks):
        found.loop.tick()
    return found


def settings(**nodes: dict[str, Any]) -> list[tapes.Setting]:
    """As a recorder is told them: somewhat after the first messages."""
    return [(node, 3 * MS, {**LOCKSTEP, **values}) for node, values in nodes.items()]


@pytest.fixture(scope="module")
def particle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a goal that is not the default one."""
    rows = run("particle", simulator={**NOISE, "start": "random"}).rows
    return tapes.write(tmp_path_factory.mktemp("rerun") / "particle.mcap", rows, settings(spc=SMALL), robot="particle")


def figures(file: Path, what: str, *arguments: str) -> dict[str, Any]:
    """What ``gpc rerun`` finds."""
    out = file.with_suffix(".json")
    assert main(["rerun", str(file), what, "--json", str(out), *arguments]) == 0
    return json.loads(out.read_text())


@pytest.mark.parametrize("what", ["estimator", "spc"])
def test_in_lockstep_every_result_is_equal_bit_for_bit(particle: Path, what: str) -> None:
    found = figures(particle, what)
    assert found["compared"] == {"estimator": 60, "spc": 6}[what]
    assert found["equal"] == found["compared"]
    assert (found["largest_difference"], found["first_difference_s"]) == (0.0, None)


@pytest.mark.parametrize("planner", ["policy", "seeded_spc"])
def test_so_is_every_plan_of_a_policy(tmp_path: Path, planner: str) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    import policies

    model = {"model_file": str(policies.balancing(tmp_path / "policy.onnx"))}
    nodes: dict[str, dict[str, Any]] = {"spc": SMALL, "policy_server": model}
    rows = run("cart_pole", ticks=25, controller={"planner": planner}, **nodes).rows
    found = figures(tapes.write(tmp_path / "a.mcap", rows, settings(**nodes)), planner)
    assert found["compared"] == {"policy": 25, "seeded_spc": 3}[planner]
    assert found["equal"] == found["compared"]


def test_other_parameters_give_other_results_and_they_are_told(particle: Path, capsys: pytest.CaptureFixture) -> None:
    found = figures(particle, "estimator", "-p", "estimator.position_std=[0.5]")
    assert 0 < found["equal"] < found["compared"]
    assert found["largest_difference"] > 0
    assert found["first_difference_s"] > 0
    told = capsys.readouterr().out
    assert f"{found['equal']} of {found['compared']} results equal" in told
    assert "the largest difference of a value is" in told
    assert figures(particle, "spc", "-p", "spc.seed=7")["equal"] < 6


def test_without_recorded_parameters_the_robots_file_holds(tmp_path: Path) -> None:
    file = tapes.write(tmp_path / "a.mcap", run("particle", spc={}, ticks=25).rows, robot="")
    found = figures(file, "spc", "--robot", "particle")
    assert found["equal"] == found["compared"] == 3


def test_parameters_change_when_they_did(tmp_path: Path) -> None:
    found = run("particle", ticks=30)
    changed_ns = found.now_ns
    planner: Any = found.loop.planners["spc"]
    planner.configure(planner.parameters.model_copy(update={"samples": 12, "seed": 5}))
    for _ in range(30):
        found.loop.tick()
    told = settings(spc=SMALL)
    changes = [*told, ("spc", changed_ns, {"samples": 12}), ("spc", changed_ns, {"seed": 5})]
    assert figures(tapes.write(tmp_path / "a.mcap", found.rows, changes, robot="particle"), "spc")["equal"] == 6
    assert figures(tapes.write(tmp_path / "b.mcap", found.rows, told, robot="particle"), "spc")["equal"] == 3


def test_a_command_that_is_missing_makes_a_difference_from_there_on(tmp_path: Path) -> None:
    rows = run("particle", ticks=30).rows
    commands = [row for row in rows if row[0] == "command"]
    rows.remove(commands[12])
    found = figures(tapes.write(tmp_path / "a.mcap", rows, settings(spc=SMALL), robot="particle"), "estimator")
    assert found["equal"] == 13
    assert found["first_difference_s"] == pytest.approx(13 * 0.002)


def test_estimates_are_judged_by_the_true_state_where_it_is_recorded(tmp_path: Path) -> None:
    found = run("particle", ticks=30)
    codec = Codec(found.loop.task.model)

    def truth(data: bytes) -> bytes:
        return codec.encode_estimate(Estimate(codec.decode_estimate(data).stamp_ns, np.zeros(2), np.zeros(2)))

    sent = [(time_ns, data) for topic, time_ns, data in found.rows if topic == "state_estimate"]
    truths = [("ground_truth", time_ns, truth(data)) for time_ns, data in sent]
    rows = sorted([*found.rows, *truths], key=lambda row: row[1])
    file = tapes.write(tmp_path / "a.mcap", rows, settings(spc=SMALL), robot="particle")
    errors = figures(file, "estimator")["rms_error"]
    estimates = [codec.decode_estimate(data) for _, data in sent]
    squares = np.mean([np.concatenate((e.qpos, e.qvel)) ** 2 for e in estimates])
    assert errors["recorded"] == pytest.approx(np.sqrt(squares))
    assert errors["run again"] == errors["recorded"]


def test_a_plan_that_led_is_made_from_where_it_began(tmp_path: Path) -> None:
    """In real time a plan begins when it is ready; what it began from is found by its own begin."""
    task: Task = registry.load("tasks", "particle", Task)()
    codec, found = Codec(task.model), run("particle", ticks=30)
    lead, planner, previous = Lead(task, 2 * MS), found.loop.planners["spc"], Previous()
    rows = [row for row in found.rows if row[0] != "spc/plan"]
    for topic, time_ns, data in list(rows):
        if topic == "state_estimate":
            estimate = codec.decode_estimate(data)
            before = previous.of("spc", estimate)
            start = lead.ahead(estimate, before, 12 * MS)
            made = planner.plan(start, before)
            assert made is not None
            plan = Plan(estimate.stamp_ns, made.start_ns, made.period_ns, made.knots, made.interpolation, "spc")
            previous.add(plan)
            rows.append(("spc/plan", time_ns + 12 * MS, codec.encode_plan(plan)))
    rows.sort(key=lambda row: row[1])
    result = figures(tapes.write(tmp_path / "a.mcap", rows, settings(spc=SMALL), robot="particle"), "spc")
    assert result["equal"] == result["compared"] == 30


def test_seeded_plans_are_made_again_with_the_samples_that_were_recorded_and_led_by_who_drove(tmp_path: Path) -> None:
    """In real time: samples of other stamps, plans that begin later, hold driving meanwhile; and no policy is there."""
    task: Task = registry.load("tasks", "particle", Task)()
    few = {**SMALL, "samples": 4, "noise": 0.01}
    codec, found = Codec(task.model), run("particle", ticks=60, spc=few)
    lead, planner, previous = Lead(task, 2 * MS), found.loop.planners["spc"], Previous()
    rows = [row for row in found.rows if row[0] != "spc/plan"]
    rows.append(("controller/active", 0, tapes.text("hold")))
    rng, samples, command, knots = np.random.default_rng(2), None, None, planner.parameters.knots
    for topic, time_ns, data in sorted(rows, key=lambda row: row[1]):
        if topic == "command":
            command = codec.decode_command(data)
        if topic != "state_estimate":
            continue
        estimate = codec.decode_estimate(data)
        if samples is None or estimate.stamp_ns - samples.stamp_ns >= 10 * MS:
            values = rng.uniform(-1, 1, (3, knots, 2))
            samples = Samples(estimate.stamp_ns, 50 * MS, values, Interpolation.LINEAR, estimate.epoch)
            rows.append(("policy/samples", time_ns + 1, codec.encode_samples(samples)))
        start = lead.ahead(estimate, driving("hold", previous, command, estimate), 12 * MS if command else 0)
        made = planner.plan(start, previous.of("seeded_spc", estimate), planner.seeds(samples, start.stamp_ns))
        plan = replace(made, stamp_ns=estimate.stamp_ns, planner="seeded_spc")
        previous.add(plan)
        rows.append(("seeded_spc/plan", time_ns + 2 + plan.start_ns - plan.stamp_ns, codec.encode_plan(plan)))
    rows.sort(key=lambda row: row[1])
    file = tapes.write(tmp_path / "a.mcap", rows, settings(spc=few), robot="particle")
    result = figures(file, "seeded_spc")
    assert result["equal"] == result["compared"] == 60


def test_bad_messages_are_named_and_passed_over(particle: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rows = [*run("particle", ticks=10).rows, ("command", 10**9, b"\0\1\0\0"), ("joint_states", 10**9, b"nonsense")]
    found = figures(tapes.write(tmp_path / "a.mcap", rows, settings(spc=SMALL), robot="particle"), "estimator")
    assert found["equal"] == 10
    assert "not understood: /joint_states: encoding: 1, command: size: 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["policy"], "unknown part of the recording 'policy'. Valid: estimator, spc"),
        (["estimator", "-p", "estimator.nothing=1"], "unknown parameter of estimator 'nothing'"),
        (["estimator", "--robot", "elbow"], "unknown robot 'elbow'"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(
    particle: Path, capsys: pytest.CaptureFixture, arguments: list[str], words: str
) -> None:
    assert main(["rerun", str(particle), *arguments]) == 2
    told = capsys.readouterr().err
    assert told.startswith("gpc: ")
    assert words in told
    assert told.count("\n") == 1


def test_of_a_recording_that_does_not_say_its_robot_it_has_to_be_told(tmp_path: Path, capsys: Any) -> None:
    file = tapes.write(tmp_path / "a.mcap", [("joint_states", 0, tapes.state(0))], robot="")
    assert main(["rerun", str(file), "estimator"]) == 2
    assert capsys.readouterr().err == f"gpc: {file}: does not say which robot it is of: add --robot ROBOT\n"


def test_goals_hold_from_when_they_came_and_the_first_one_before() -> None:
    scene = rerun.Scene([(10, np.array([1.0])), (20, np.array([2.0]))])
    assert [float(goal[0]) for time in (0, 10, 19, 20, 99) if (goal := scene.goal(time)) is not None] == [1, 1, 1, 2, 2]
    assert rerun.Scene().goal(5) is None


def test_settings_are_told_once_each_and_the_first_hold_from_the_begin(tmp_path: Path) -> None:
    told: list[tapes.Setting] = [
        ("spc", 5, {"a": 1, "b": 1}), ("policy_server", 6, {"c": 1}), ("controller", 7, {"d": 1}),
        ("spc", 8, {"a": 1}), ("spc", 9, {"a": 2}),
    ]  # fmt: skip
    recording = Recording(tapes.write(tmp_path / "a.mcap", [("joint_states", 0, tapes.state(0))], told))
    found = rerun.Settings(recording, ["spc", "policy_server"])
    times = [tapes.BEGIN_NS + time for time in (0, 5, 8, 9, 30)]
    assert [found.changed(time) for time in times] == [
        {"spc": {"a": 1, "b": 1}, "policy_server": {"c": 1}}, None, None,
        {"spc": {"a": 2, "b": 1}, "policy_server": {"c": 1}}, None,
    ]  # fmt: skip
