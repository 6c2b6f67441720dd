"""``gpc card``: evaluates what is new, and puts a policy with its card where it ships."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import policies
import pytest

import gpc_ros
from gpc_ros import evaluation, model_card
from gpc_ros.cli import card
from gpc_ros.cli.main import main
from gpc_ros.node_parameters import PARAMETERS
from gpc_ros.tasks.pendulum import Pendulum

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from gpc_ros.learning import checkpoint

RECORD = {
    "iteration": 0, "spc_cost": 1.0, "policy_cost": 2.0, "policy_best": 0.5, "loss": 0.1, "success": 1.0,
}  # fmt: skip
TRAINING = {"wall_s": 60.0, "physics_steps": 1e6, "iterations": 1, "seed": 0, "success": 1.0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a training that is done."""
    found = tmp_path / "run"
    about = {"records": [RECORD, {**RECORD, "iteration": 1}], "settings": {"train": {"gamma": 0.5}}}
    checkpoint.write(found / checkpoint.NAME, about, {})
    policies.write(found / "policy.onnx", "pendulum", training=TRAINING)
    return found


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[evaluation.Setting, int]]:
    """What is evaluated, in place of doing so."""
    done: list[tuple[evaluation.Setting, int]] = []

    def evaluate(setting: evaluation.Setting, starts: int, *, jobs: int) -> dict[str, Any]:
        done.append((setting, starts))
        run = {"success": True, "cost": 1.0 + len(done), "goal_held_s": 1.0, "digest": ""}
        return {
            "robot": setting.robot, "estimator": "ekf", "seed": 0, "starts": starts, "successes": starts,
            "success_rate": 1.0, "mean_cost": run["cost"], "cost_std": 0.5, "mean_abs_du": 0.25,
            "per_start": [run] * starts, "named_start": run,
        }  # fmt: skip

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    return done


def make(folder: Path, *options: str) -> int:
    out = ("--out", str(folder.parent / "out")) if "--out" not in options else ()
    return main(["card", "pendulum", "--run", str(folder), "--starts", "4", "--paired-starts", "3", *out, *options])


def test_a_policy_ships_with_card_and_curves(
    folder: Path, evaluated: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(folder, "--machine", "a slow one") == 0
    out = folder.parent / "out"
    assert {file.name for file in out.iterdir()} == {"policy.onnx", "policy.md", "training.png"}
    assert (out / "policy.onnx").read_bytes() == (folder / "policy.onnx").read_bytes()
    assert (out / "training.png").read_bytes().startswith(b"\x89PNG")
    text = (out / "policy.md").read_text()
    command = f"gpc card pendulum --run {folder} --starts 4 --paired-starts 3"
    assert f"this card by `{command}`. Machine: a slow one." in text
    assert "`train.gamma=0.5`" in text
    assert "| policy | 4 of 4 | succeeds | 2 +- 0.5 | 0.25 |" in text
    assert "paired over 3 starts" in text
    assert "spc: 4 of 4, mean cost 5" in capsys.readouterr().out


def test_every_setting_is_evaluated_with_this_policy(folder: Path, evaluated: list[Any]) -> None:
    make(folder)
    assert len(evaluated) == len(model_card.SETTINGS)
    for (setting, starts), (name, (planner, parameters)) in zip(evaluated, model_card.SETTINGS.items(), strict=True):
        assert setting.robot == "pendulum"
        assert setting.overrides["controller"] == {"planner": planner}
        assert setting.overrides["policy_server"]["model_file"] == str(folder / "policy.onnx")
        for node, values in parameters.items():
            assert values.items() <= setting.overrides[node].items()
        assert starts == (3 if name in (model_card.SEEDED, model_card.SAMPLED) else 4)
    assert all("model_file" not in values.get("policy_server", {}) for _, values in model_card.SETTINGS.values())


def test_an_interrupted_card_goes_on(folder: Path, evaluated: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = evaluation.evaluate

    def interrupted(*args: Any, **options: Any) -> dict[str, Any]:
        if len(evaluated) == 2:
            raise KeyboardInterrupt
        return evaluate(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "evaluate", interrupted)
        assert make(folder) == 130
    assert make(folder) == 0
    assert len(evaluated) == len(model_card.SETTINGS)


def test_what_is_not_a_file_of_results_is_refused(refused: Callable[..., str], folder: Path) -> None:
    (folder / "card.json").write_text("{")
    line = refused("pendulum", "--run", str(folder), "--out", str(folder))
    assert line == f"gpc: {folder}/card.json: is not a file of results; name another, or remove it"


def test_what_has_been_evaluated_is_not_evaluated_again(folder: Path, evaluated: list[Any]) -> None:
    make(folder)
    card_text = (folder.parent / "out" / "policy.md").read_text()
    evaluated.clear()
    make(folder)
    assert evaluated == []
    assert (folder.parent / "out" / "policy.md").read_text() == card_text


def changed_policy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policies.write(folder / "policy.onnx", "pendulum", offset=0.5, training=TRAINING)


def changed_parameters(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "pendulum.yaml"
    file.write_text("/**/spc: {ros__parameters: {robot: pendulum}}")
    monkeypatch.setattr(card.config, "file_of", lambda robot: file)


def test_the_rate_is_that_of_the_robot(folder: Path, evaluated: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "pendulum.yaml"
    nodes = "".join(f"/**/{node}: {{ros__parameters: {{robot: pendulum, rate_hz: 200.0}}}}\n" for node in PARAMETERS)
    file.write_text(nodes)
    monkeypatch.setattr(card.config, "file_of", lambda robot: file)
    make(folder)
    assert "--planner ...`, 200 Hz, EKF" in (folder.parent / "out" / "policy.md").read_text()


def changed_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "scene.xml"
    file.write_text(Pendulum().model_file.read_text().replace("<option ", '<option gravity="0 0 -1.6" '))
    monkeypatch.setattr(Pendulum, "model_file", file)


def another_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpc_ros, "__version__", "99")


CHANGES = [changed_policy, changed_parameters, changed_model, another_version]


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_evaluated_again(
    folder: Path, evaluated: list[Any], monkeypatch: pytest.MonkeyPatch, change: Callable[..., None]
) -> None:
    make(folder)
    evaluated.clear()
    change(folder, monkeypatch)
    make(folder)
    assert len(evaluated) == len(model_card.SETTINGS)


def test_more_starts_are_evaluated_anew_where_they_are_more(folder: Path, evaluated: list[Any]) -> None:
    make(folder)
    evaluated.clear()
    make(folder, "--paired-starts", "5")
    assert [starts for _, starts in evaluated] == [5, 5]


def test_a_policy_that_is_where_it_ships_stays(folder: Path, evaluated: list[Any]) -> None:
    before = (folder / "policy.onnx").read_bytes()
    assert make(folder, "--out", str(folder)) == 0
    assert (folder / "policy.onnx").read_bytes() == before
    assert (folder / "policy.md").exists()


def test_one_evaluation_really_runs(folder: Path) -> None:
    """Through the closed loop, with what the policy file really does."""
    with pytest.MonkeyPatch.context() as patch:
        setting = evaluation.Setting
        patch.setattr(
            evaluation, "Setting", lambda robot, overrides: setting(robot, duration_s=0.1, overrides=overrides)
        )
        key = {"planner": "policy", "parameters": {}, "starts": 1}
        found = card._evaluated("pendulum", folder / "policy.onnx", 1, key)
    assert found["starts"] == 1


@pytest.fixture
def refused(evaluated: list[Any], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The line of a refusal, before anything was evaluated."""

    def call(*arguments: str) -> str:
        assert main(["card", *arguments]) == 2
        assert evaluated == []
        out, err = capsys.readouterr()
        assert out == ""
        (line,) = err.splitlines()
        return line

    return call


def test_a_policy_of_another_robot_is_refused(refused: Callable[..., str], folder: Path) -> None:
    line = refused("cart_pole", "--run", str(folder))
    assert line == f"gpc: {folder}/policy.onnx is a policy of pendulum, not of cart_pole"


def test_without_policy_or_checkpoint_there_is_no_card(refused: Callable[..., str], folder: Path) -> None:
    (folder / checkpoint.NAME).unlink()
    assert f"{folder}/checkpoint.npz: No such file" in refused("pendulum", "--run", str(folder))
    (folder / "policy.onnx").unlink()
    assert f"{folder}/policy.onnx: No such file" in refused("pendulum", "--run", str(folder))


def test_a_checkpoint_without_figures_is_refused(refused: Callable[..., str], folder: Path) -> None:
    checkpoint.write(folder / checkpoint.NAME, {}, {})
    line = refused("pendulum", "--run", str(folder), "--out", str(folder))
    assert line == f"gpc: {folder}/checkpoint.npz: incomplete checkpoint: 'records'"


def test_a_place_that_cannot_be_written_is_refused(refused: Callable[..., str], folder: Path) -> None:
    line = refused("pendulum", "--run", str(folder), "--out", str(folder / "policy.onnx" / "out"))
    assert line == f"gpc: {folder}/policy.onnx/out: Not a directory"


@pytest.mark.parametrize("starts", ["--starts", "--paired-starts"])
def test_one_start_has_no_spread(refused: Callable[..., str], starts: str) -> None:
    assert refused("pendulum", starts, "1") == "gpc: 1 must be a whole number of at least 2"


def test_without_matplotlib_or_torch_it_says_what_to_install(
    refused: Callable[..., str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib.figure", None)
        line = refused("pendulum", "--run", str(folder), "--out", str(folder))
        assert line == "gpc: pictures need matplotlib: pip install matplotlib"
    monkeypatch.delattr("gpc_ros.learning.checkpoint")
    monkeypatch.delitem(sys.modules, checkpoint.__name__)
    monkeypatch.setitem(sys.modules, "torch", None)
    line = refused("pendulum", "--run", str(folder))
    assert line == "gpc: gpc card needs torch: python3 -m pip install 'gpc_ros[learning]'"
