"""``gpc reproduce``: tables beside the published figures, gone on with where they were interrupted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpc_ros import evaluation, goal_tour, reference_costs
from gpc_ros.cli import reproduce_costs, reproduce_table1
from gpc_ros.cli.main import main
from gpc_ros.control.policy import shipped
from gpc_ros.viz import comparison
from gpc_ros.viz.comparison import Panel


def test_table2_beside_the_published_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(goal_tour, "LIMIT_S", 0.02)
    command = ["reproduce", "table2", "--planner", "hold", "--goals", "2", "--jobs", "1"]
    files = ["--out", str(tmp_path / "kept.json"), "--json", str(tmp_path / "table.json")]
    assert main([*command, *files]) == 0
    printed = capsys.readouterr().out
    assert "published, no randomization" in printed
    assert "165" in printed
    (record,) = json.loads((tmp_path / "table.json").read_text())
    assert record["tours"] == record["tours_with_error"] == [{"total_s": pytest.approx(0.04), "reached": 0}]
    monkeypatch.setattr(goal_tour, "run", None)
    assert main([*command, *files]) == 0, "known by now"
    assert capsys.readouterr().out == printed


def test_costs_of_one_robot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(reference_costs, "mean_cost", lambda robot, start, **way: start + way["samples"])
    assert main(["reproduce", "costs", "--robot", "pendulum", "--starts", "3", "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "0.92 +- 0.43" in printed
    assert "129 +- 1" in printed
    assert "no policy" not in printed


def test_costs_of_a_robot_without_a_policy_are_those_of_sampling(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproduce_costs, "shipped", lambda robot: tmp_path / robot)
    monkeypatch.setattr(reference_costs, "mean_cost", lambda robot, start, **way: start + way["samples"])
    command = ["reproduce", "costs", "--starts", "3", "--jobs", "1", "--json", str(tmp_path / "table.json")]
    assert main([*command, "--robot", "walker", "--robot", "humanoid_29"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("no policy in models/ for walker, humanoid_29: only sampling was run")
    walker, _ = json.loads((tmp_path / "table.json").read_text())
    assert walker["costs"] == {"sampling": [128, 129, 130], "polished": [64, 65, 66]}
    assert walker["published"]["sampling"] == [1.42, 1.24]


def test_an_unknown_planner_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "table2", "--planner", "magic"]) == 2
    assert "unknown --planner 'magic'. Valid: hold, policy" in capsys.readouterr().err


def test_table1_of_a_robot_with_a_policy_and_of_one_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(evaluation, "run_start", lambda setting, start: {"success": start != 1})
    command = ["reproduce", "table1", "--robot", "pendulum", "--robot", "humanoid", "--starts", "4", "--jobs", "1"]
    assert main([*command, "--json", str(tmp_path / "table.json")]) == 0
    printed = capsys.readouterr().out
    assert "0:00:30" in printed
    assert "3 of 4" in printed
    assert "no policy" in printed
    pendulum, humanoid = json.loads((tmp_path / "table.json").read_text())
    assert pendulum["seeded_spc"] == pendulum["policy"] == 3
    assert pendulum["training_s"] > 1.0
    assert pendulum["inference_ms"] > 0.0
    assert humanoid == {"robot": "humanoid"}


@pytest.mark.parametrize("table", ["costs", "table1"])
def test_an_unknown_robot_is_refused_before_any_is_run(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", table, "--robot", "pendulum", "--robot", "acrobot"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("gpc: unknown robot of the published table 'acrobot'. Valid: cart_pole, crane")


def test_two_policies_of_one_name_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    file = str(shipped("crane"))
    assert main(["reproduce", "table2", "--policy", file, "--policy", file]) == 2
    assert "there is a 'policy, policy' already; call one of them otherwise, NAME=FILE" in capsys.readouterr().err


def test_every_table_is_drawn_from_its_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Panel] = []
    monkeypatch.setattr(comparison, "comparison", lambda panels, file: drawn.extend(panels))
    monkeypatch.setattr(goal_tour, "LIMIT_S", 0.02)
    monkeypatch.setattr(reference_costs, "mean_cost", lambda robot, start, **way: start + way["samples"])
    picture = ["--jobs", "1", "--plot", str(tmp_path / "a.png")]
    assert main(["reproduce", "table2", "--planner", "hold", "--goals", "2", *picture]) == 0
    assert main(["reproduce", "costs", "--robot", "pendulum", "--starts", "3", *picture]) == 0
    tour, costs = drawn
    assert tour.bars["model error"]["published, no randomization"] == (165, 0.0)
    assert tour.bars["perfect model"]["hold"] == (pytest.approx(0.04), 0.0)
    assert costs.bars["published"]["seeded"] == (0.74, 0.29)
    assert costs.bars["here"] == {"sampling": (129, 1), "policy": (1, 1), "seeded": (65, 1), "polished": (65, 1)}


def test_table1_is_drawn_with_gaps_for_robots_without_a_policy() -> None:
    figures = {"starts": 4, "training_s": 60.0, "inference_ms": 0.5, "seeded_spc": 4, "policy": 3}
    training, inference, successes = reproduce_table1.panels([{"robot": "walker", **figures}, {"robot": "humanoid"}])
    assert training.bars == {
        "published": {"walker": (385.0, 0.0), "humanoid": (10015.0, 0.0)},
        "here": {"walker": (60.0, 0.0)},
    }
    assert inference.bars["here"] == {"walker": (0.5, 0.0)}
    assert successes.bars == {"seeded_spc": {"walker": (100.0, 0.0)}, "policy": {"walker": (75.0, 0.0)}}


def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", "costs", "--plot", str(tmp_path / "no" / "a.png")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"gpc: --plot {tmp_path}/no/a.png: cannot be written\n"
