"""``gpc ablate``: hours of results are kept whatever happens, and the table says what there is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpc_ros.cli.main import main

pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from gpc_ros.learning import ablation

RESULT = {
    "success": 0.97, "named": True, "last": 0.5, "policy_best": None, "physics_steps": 2e6, "wall_s": 61.0,
}  # fmt: skip


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Variant and seed of what is trained, in place of doing so."""
    found: list[tuple[str, int]] = []

    def train(job: ablation.Job) -> dict[str, Any]:
        found.append((job.variant, job.parameters.seed))
        return dict(RESULT)

    monkeypatch.setattr(ablation, "train", train)
    return found


def ablate(folder: Path, *options: str) -> int:
    files = ("--out", str(folder / "table.md"), "--json", str(folder / "results.json"))
    return main(["ablate", "pendulum", "--seeds", "2", "--jobs", "1", *files, *options])


def results(folder: Path) -> list[tuple[str, int]]:
    """Variant and seed of those in the file."""
    found = json.loads((folder / "results.json").read_text())
    return [(result["variant"], json.loads(key)["train"]["seed"]) for key, result in found.items()]


def at(monkeypatch: pytest.MonkeyPatch, count: int, act: Callable[[], dict[str, Any]]) -> None:
    """Have the training number ``count`` act."""
    calls, train = iter(range(1, count)), ablation.train

    def acting(job: ablation.Job) -> dict[str, Any]:
        return train(job) if next(calls, None) is not None else act()

    monkeypatch.setattr(ablation, "train", acting)


def interrupt() -> dict[str, Any]:
    raise KeyboardInterrupt


def test_every_variant_has_a_row(tmp_path: Path, trained: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert ablate(tmp_path) == 0
    table = (tmp_path / "table.md").read_text()
    assert "`gpc ablate pendulum --seeds 2 --share 0.5` (3 iterations, 16 robots)" in table
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert rows[0] == "| as configured | 97, 97 | 97 | 50 | 2 of 2 | 2 M | 61 s |"
    assert [row.split("|")[1].strip() for row in rows] == [name for name, seed in trained if seed == 0]
    assert len(trained) == len(results(tmp_path)) == 2 * len(rows)
    assert f"{len(trained)} of {len(trained)} trainings are done." in table
    out = capsys.readouterr().out
    assert "as configured, seed 1: 97 % after 61 s" in out
    assert table in out


def test_results_are_there_after_each_training_and_the_same_command_goes_on(
    tmp_path: Path, trained: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        at(patch, 4, interrupt)
        assert ablate(tmp_path) == 130
    assert f"interrupted; the same command goes on from {tmp_path}/results.json" in capsys.readouterr().out
    assert results(tmp_path) == trained
    assert len(trained) == 3
    table = (tmp_path / "table.md").read_text()
    assert "3 of 32 trainings are done." in table
    assert "| 97,  | 97 | 50 | 1 of 1 |" in table
    assert ablate(tmp_path) == 0
    assert len(set(trained)) == len(trained) == 32
    assert ablate(tmp_path) == 0
    assert len(trained) == 32
    assert "32 trainings, 32 of them in" in capsys.readouterr().out


def test_a_failure_is_in_the_table_and_tried_again(
    tmp_path: Path, trained: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        failed = iter([{"failed": "the loss is nan in iteration 1"}])
        train = ablation.train
        patch.setattr(ablation, "train", lambda job: next(failed, None) or train(job))
        assert ablate(tmp_path) == 0
    assert "as configured, seed 0: failed: the loss is nan in iteration 1" in capsys.readouterr().out
    table = (tmp_path / "table.md").read_text()
    assert "| as configured | failed, 97 | 97 | 50 | 1 of 1 |" in table
    assert table.endswith("Failed:\n\n- as configured: the loss is nan in iteration 1\n")
    trained.clear()
    assert ablate(tmp_path) == 0
    assert trained == [("as configured", 0)]
    assert "ailed" not in (tmp_path / "table.md").read_text()


def test_results_of_other_settings_are_neither_taken_nor_lost(tmp_path: Path, trained: list[Any]) -> None:
    assert ablate(tmp_path) == 0
    trained.clear()
    assert ablate(tmp_path, "--share", "1") == 0
    assert len(trained) == 32
    trained.clear()
    assert ablate(tmp_path) == 0
    assert trained == []
    assert len(results(tmp_path)) == 64


def test_without_a_name_results_are_kept_all_the_same(
    tmp_path: Path, trained: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["ablate", "pendulum", "--seeds", "1", "--jobs", "1"]) == 0
    assert [str(file.relative_to(tmp_path)) for file in tmp_path.glob("*/*")] == ["runs/ablate_pendulum.json"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--out", "/no/such/table.md"), "/no/such/table.md: No such file or directory"),
        (("--json", "/proc/results.json"), "/proc/"),
        (("--json", "{folder}/text"), "{folder}/text: is not a file of results; name another, or remove it"),
        (("--json", "{folder}"), "{folder}: is not a file of results; name another, or remove it"),
        (("--share", "0"), "--share 0: must be above 0 and at most 1"),
        (("--share", "much"), "--share much: must be above 0 and at most 1"),
        (("--seeds", "0"), "0 must be a whole number of at least 1"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_trained(
    tmp_path: Path, trained: list[Any], capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: str
) -> None:
    (tmp_path / "text").write_text("no results")
    assert ablate(tmp_path, *(option.format(folder=tmp_path) for option in options)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gpc: ")
    assert words.format(folder=tmp_path) in line
    assert trained == []
