"""``gpc eval``: what it says, what it writes, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import policies
import pytest

from gpc_ros import evaluation
from gpc_ros.cli.main import main
from gpc_ros.node_parameters import PARAMETERS
from gpc_ros.viz import plots

QUICK = ("--duration", "0.1", "--jobs", "1", "-p", "spc.samples=8")


def test_the_file_holds_what_is_promised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "eval.json"
    assert main(["eval", "particle", "--starts", "2", "--seed", "3", *QUICK, "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert found.keys() >= {
        "robot", "planner", "starts", "successes", "success_rate", "mean_cost", "cost_std", "mean_abs_du",
        "per_start", "named_start",
    }  # fmt: skip
    assert (found["robot"], found["planner"], found["estimator"], found["starts"]) == ("particle", "spc", "ekf", 2)
    setting = evaluation.Setting("particle", seed=3, duration_s=0.1, overrides={"spc": {"samples": 8}})
    for index, run in enumerate(found["per_start"]):
        assert run["digest"] == evaluation.run_start(setting, index)["digest"]
    out, err = capsys.readouterr()
    assert "0 of 2 random starts" in out
    assert err == ""


def test_options_reach_the_run(tmp_path: Path) -> None:
    file = tmp_path / "eval.json"
    options = ("--planner", "hold", "--estimator", "truth", "--rate", "250")
    assert (
        main(["eval", "particle", "--starts", "1", "--duration", "0.1", "--jobs", "1", *options, "--json", str(file)])
        == 0
    )
    found = json.loads(file.read_text())
    assert (found["planner"], found["estimator"]) == ("hold", "truth")
    rates = {node: {"rate_hz": 250.0} for node in PARAMETERS}
    rates["controller"]["planner"] = "hold"
    setting = evaluation.Setting("particle", "truth", duration_s=0.1, overrides=rates)
    assert found["per_start"][0]["digest"] == evaluation.run_start(setting, 0)["digest"]


def test_a_policy_and_its_warm_start_reach_the_run(tmp_path: Path) -> None:
    file, model = tmp_path / "eval.json", policies.write(tmp_path / "a.onnx", "particle", keep=0.5, offset=0.1)
    digests = {}
    for planner, level in (("policy", "1"), ("policy", "0.5"), ("seeded_spc", "1")):
        options = ("--planner", planner, "--policy", str(model), "--warm-start", level)
        assert main(["eval", "particle", "--starts", "0", *QUICK, *options, "--json", str(file)]) == 0
        found = json.loads(file.read_text())
        assert found["parameters"]["policy_server"] == {"model_file": str(model), "warm_start": float(level)}
        overrides = {**found["parameters"]}
        setting = evaluation.Setting("particle", duration_s=0.1, overrides=overrides)
        digests[planner, level] = found["named_start"]["digest"]
        assert digests[planner, level] == evaluation.run_start(setting, evaluation.NAMED)["digest"]
    assert len(set(digests.values())) == 3


def test_the_planner_of_a_parameter_is_the_planner_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "eval.json"
    assert (
        main(["eval", "particle", "--starts", "0", *QUICK, "-p", "controller.planner=hold", "--json", str(file)]) == 0
    )
    assert json.loads(file.read_text())["planner"] == "hold"


def test_without_random_starts_there_are_no_figures_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has no NaN: what is not known is null."""
    file = tmp_path / "eval.json"
    assert main(["eval", "particle", "--starts", "0", *QUICK, "--json", str(file)]) == 0
    found = json.loads(file.read_text(), parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert found["per_start"] == []
    assert found["mean_cost"] is None
    assert found["named_start"]["cost"] > 0
    out = capsys.readouterr().out
    assert f"particle with spc, ekf: named start fails, its cost {found['named_start']['cost']:.4g}" in out
    assert "nan" not in out


def test_the_picture_of_a_policy_says_how_restless_each_level_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In its titles, and with their ratio where it is made."""
    titles: list[str] = []
    monkeypatch.setattr(plots, "runs", lambda task, logs, file: titles.extend(logs))
    model, file = policies.write(tmp_path / "a.onnx", "particle", keep=0.8, offset=0.1), tmp_path / "a.png"
    options = ("--planner", "policy", "--policy", str(model), "--plot", str(file))
    assert main(["eval", "particle", "--starts", "0", *QUICK, *options]) == 0
    overrides = {"controller": {"planner": "policy"}, "policy_server": {"model_file": str(model)}}
    expected = []
    for level in (0.0, 1.0):
        changed = {**overrides, "policy_server": {"model_file": str(model), "warm_start": level}}
        setting = evaluation.Setting("particle", duration_s=0.1, overrides=changed)
        expected.append(evaluation.named_run(setting).summary()["mean_abs_du"])
    noisy, quiet = expected
    assert noisy > quiet > 0
    assert titles == [f"warm start 0: mean |du| = {noisy:.3g}", f"warm start 1: mean |du| = {quiet:.3g}"]
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(str(file))]
    words = f"{noisy:.4g} with warm start 0, {quiet:.4g} with warm start 1 ({noisy / quiet:.3g} times as much)"
    assert line == f"{file}: mean step of the command {words}"


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(*arguments: str) -> str:
        assert main(["eval", *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        (line,) = err.splitlines()
        return line

    return call


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["elbow"], ("gpc: unknown robot 'elbow'", "cart_pole")),
        (["particle", "--planner", "elbow"], ("unknown planner 'elbow'", "hold, policy, seeded_spc, spc")),
        (["particle", "--planner", "policy", "--policy", "/no/such/a.onnx"], ("/no/such/a.onnx: No such file",)),
        (["particle", "--warm-start", "2"], ("policy_server: warm_start = 2.0", "less than or equal to 1")),
        (["particle", "-p", "elbow.x=1"], ("unknown node 'elbow'", "simulator")),
        (["particle", "-p", "spc.elbow=1"], ("parameter of spc 'elbow'", "samples")),
        (["particle", "-p", "spc.samples=0"], ("spc: samples = 0",)),
        (["particle", "-p", "spc.samples=x"], ("spc: samples = 'x'",)),
        (["particle", "-p", "spc.samples={"], ("-p spc.samples={", "not valid YAML")),
        (["particle", "-p", "spc"], ("-p spc", "NODE.NAME=VALUE")),
        (["particle", "-p", "simulator.start=named"], ("-p simulator.start", "--starts and --seed")),
        (["particle", "-p", "simulator.seed=1"], ("-p simulator.seed", "--starts and --seed")),
        (["particle", "-p", "simulator.model_error=[elbow=2]"], ("model_error 'elbow=2'",)),
        (["particle", "-p", "simulator.physics_step_s=0.0015"], ("physics_step_s", "whole number")),
        (["particle", "--rate", "0"], ("rate_hz = 0.0",)),
        (["particle", "--starts", "-1"], ("-1 must be a whole number of at least 0",)),
        (["particle", "--starts", "many"], ("many must be a whole number",)),
        (["particle", "--jobs", "0"], ("0 must be a whole number of at least 1",)),
        (["particle", "--seed", "-1"], ("-1 must be a whole number",)),
        (["particle", "--duration", "0"], ("0 must be a number of seconds above 0",)),
        (["particle", "--duration", "nan"], ("nan must be a number of seconds above 0",)),
        (["particle", "--json", "/no/such/a.json"], ("--json /no/such/a.json", "cannot be written")),
        (["particle", "--json", "/"], ("--json /", "cannot be written")),
    ],
)
def test_mistakes_are_one_line_and_code_2(
    refused: Callable[..., str], arguments: list[str], words: tuple[str, ...]
) -> None:
    line = refused(*arguments[:1], "--jobs", "1", *arguments[1:])
    assert all(word in line for word in words), line
