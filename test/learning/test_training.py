"""A training in a folder: taken up where it was left, or refused with what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

torch = pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from gpc_ros.errors import GpcError, InvalidParameter, UnknownName  # noqa: E402
from gpc_ros.learning import checkpoint  # noqa: E402
from gpc_ros.learning.algorithm import Record, Trainer  # noqa: E402
from gpc_ros.learning.training import Training  # noqa: E402
from gpc_ros.tasks.pendulum import Pendulum  # noqa: E402

SLICES = 2 * (3 + 1)  # iterations, replans and one fit each


@pytest.fixture(autouse=True)
def _short_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pendulum, "episode_s", 0.1)


def training(
    folder: Path, *, robot: str = "pendulum", restart: bool = False, spc: Any = None, **changes: Any
) -> Training:
    return Training(robot, folder, train={**tiny.TRAIN, **changes}, spc={**tiny.SPC, **(spc or {})}, restart=restart)


def run(found: Training, slices: int | None = None, **options: Any) -> bool:
    """Run, for so many slices."""
    left = iter(range(slices + 1)) if slices is not None else None
    return found.run(stop=lambda: left is not None and next(left) == slices, **options)


def test_it_ends_with_a_checkpoint_and_curves(tmp_path: Path) -> None:
    found = training(tmp_path / "runs" / "a")
    assert not found.resumed
    assert run(found)
    kinds = sorted(path.name.split(".")[0] for path in found.folder.iterdir())
    assert kinds == ["checkpoint", "events"]
    again = training(found.folder)
    assert (again.resumed, again.trainer.done) == (True, True)
    assert run(again)
    tiny.assert_same(again.trainer, found.trainer)


@pytest.mark.parametrize("slices", [0, 2, 3, 7])
def test_it_goes_on_where_it_was_stopped(tmp_path: Path, slices: int) -> None:
    whole = training(tmp_path / "whole")
    run(whole)
    assert not run(training(tmp_path / "cut"), slices)
    again = training(tmp_path / "cut")
    assert again.resumed
    assert run(again, None)
    tiny.assert_same(again.trainer, whole.trainer)


def test_the_caller_hears_of_slices_and_iterations(tmp_path: Path) -> None:
    heard: list[tuple[int, Record | None]] = []
    found = training(tmp_path)
    run(found, progress=lambda trainer, finished: heard.append((trainer.progress.iteration, finished)))
    assert [iteration for iteration, _ in heard] == [0, 0, 0, 1, 1, 1, 1, 2]
    ended = [record for _, record in heard if record is not None]
    assert ended == found.trainer.records
    assert [record.iteration for record in ended] == [0, 1]


def test_figures_are_those_of_the_iterations_that_have_ended(tmp_path: Path) -> None:
    found = training(tmp_path, seed=3)
    run(found, SLICES - 1)  # the second iteration is half done
    figures = found.figures()
    assert (figures["robot"], figures["seed"], figures["iterations"]) == ("pendulum", 3, 1)
    for name in ("policy_best_fraction", "policy_cost", "spc_cost", "records"):
        assert len(figures[name]) == 1
    assert figures["physics_steps"] > figures["records"][0]["physics_steps"] > 0
    assert figures["wall_s"] >= figures["records"][0]["wall_s"] > 0.0
    assert figures["success"] == found.trainer.records[0].success
    assert isinstance(figures["named_start"], bool)
    assert checkpoint.read(found.file)[0]["figures"]["iterations"] == 1


def test_curves_are_there_for_tensorboard(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = training(tmp_path)
    run(found)
    events = accumulator.EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["scalars"]) >= {
        "spc_cost",
        "policy_cost",
        "policy_best",
        "loss",
        "success",
        "physics_steps",
    }
    losses = [(event.step, event.value) for event in events.Scalars("loss")]
    assert losses == [(n, pytest.approx(record.loss)) for n, record in enumerate(found.trainer.records)]
    assert [event.step for event in events.Scalars("policy_cost")] == [1]  # there is none in the first iteration


@pytest.mark.parametrize(("save_after_s", "expected"), [(0.0, SLICES + 1), (1e9, 1)])
def test_checkpoints_are_written_as_often_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_after_s: float, expected: int
) -> None:
    places: list[tuple[int, int]] = []
    write = checkpoint.write

    def noted(file: Path, about: Any, arrays: Any) -> None:
        places.append((about["progress"]["iteration"], about["progress"]["place"]))
        write(file, about, arrays)

    monkeypatch.setattr(checkpoint, "write", noted)
    run(training(tmp_path), save_after_s=save_after_s)
    assert len(places) == expected
    assert places[-1] == (2, 0)


def test_a_failure_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(training(tmp_path), 2)
    before = (tmp_path / checkpoint.NAME).read_bytes()
    broken = training(tmp_path)
    note = Trainer._note

    def fail(self: Trainer, replan: Any) -> None:
        note(self, replan)
        raise MemoryError

    monkeypatch.setattr(Trainer, "_note", fail)
    with pytest.raises(MemoryError):
        run(broken)
    assert (tmp_path / checkpoint.NAME).read_bytes() == before


def test_minutes_are_those_of_the_training_with_all_its_parts(tmp_path: Path) -> None:
    found = training(tmp_path)
    assert run(found, minutes=1e-9)
    assert (found.trainer.progress.iteration, found.trainer.progress.place) == (0, 1)
    found.trainer.progress.wall_s = 90.0
    found.save()
    again = training(tmp_path)
    assert run(again, minutes=1.5)  # over already
    assert again.trainer.progress.place == 1
    assert not run(again, 1, minutes=1.6)
    assert again.trainer.progress.place == 2
    assert again.trainer.progress.wall_s > 90.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, "train.seed = 0, not 1"),
        ({"iterations": 9}, "train.iterations = 2, not 9"),
        ({"network": {"hidden": [9]}}, r"train.network = {'kind': 'mlp', .*'hidden': \[8\].*}, not {.*\[9\].*}"),
        ({"spc": {"rule": "mppi"}}, "spc.rule = predictive_sampling, not mppi"),
        ({"spc": {"risk_beta": 0.5}}, "spc.risk_beta = 0.25, not 0.5"),
    ],
)
def test_other_parameters_are_refused_with_both_values(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    run(training(tmp_path), 1)
    with pytest.raises(GpcError, match=f"{tmp_path}/checkpoint.npz was begun with {words}; choose another --out"):
        training(tmp_path, **changes)


def test_threads_may_change(tmp_path: Path) -> None:
    run(training(tmp_path), 1)
    assert training(tmp_path, threads=2).resumed


def test_another_robot_is_refused(tmp_path: Path) -> None:
    run(training(tmp_path), 1)
    with pytest.raises(
        GpcError, match=f"{tmp_path}/checkpoint.npz is of robot pendulum, not cart_pole; choose another"
    ):
        training(tmp_path, robot="cart_pole")


def changed(file: Path, section: str, **values: Any) -> None:
    """The checkpoint with some settings left out (None) or other ones."""
    about, arrays = checkpoint.read(file)
    settings = {**about[section], **values}
    about[section] = {name: value for name, value in settings.items() if value is not None}
    checkpoint.write(file, about, arrays)


def test_a_parameter_that_an_older_version_did_not_have_had_its_default(tmp_path: Path) -> None:
    found = training(tmp_path)
    run(found, 1)
    changed(found.file, "train", restart_share=None)
    restart_share = tiny.train_parameters().restart_share
    assert training(tmp_path, restart_share=restart_share).resumed
    with pytest.raises(GpcError, match=r"begun with train.restart_share = 0\.0, not 0\.5"):
        training(tmp_path, restart_share=0.5)
    changed(found.file, "train", elbow=1.0)
    with pytest.raises(UnknownName, match=r"unknown parameter of .*checkpoint.npz 'elbow'"):
        training(tmp_path)


@pytest.mark.parametrize("part", ["robot", "train", "progress", "records", "physics_steps"])
def test_a_checkpoint_with_parts_missing_is_refused(tmp_path: Path, part: str) -> None:
    found = training(tmp_path)
    run(found, 1)
    about, arrays = checkpoint.read(found.file)
    del about[part]
    checkpoint.write(found.file, about, arrays)
    with pytest.raises(GpcError, match=f"{found.file}: incomplete checkpoint: '{part}'"):
        training(tmp_path)


@pytest.mark.parametrize("part", ["robots/", "fit/average", "best/", "best/observation_std"])
def test_a_checkpoint_with_arrays_missing_is_refused(tmp_path: Path, part: str) -> None:
    found = training(tmp_path)
    run(found, 5)
    about, arrays = checkpoint.read(found.file)
    checkpoint.write(found.file, about, {name: a for name, a in arrays.items() if not name.startswith(part)})
    with pytest.raises(GpcError, match=f"{found.file}: incomplete checkpoint: "):
        training(tmp_path)


def test_a_damaged_checkpoint_is_refused_and_left(tmp_path: Path) -> None:
    (tmp_path / checkpoint.NAME).write_bytes(b"damaged")
    with pytest.raises(GpcError, match=f"{tmp_path}/checkpoint.npz: damaged"):
        training(tmp_path)
    assert (tmp_path / checkpoint.NAME).read_bytes() == b"damaged"


def test_a_restart_begins_anew(tmp_path: Path) -> None:
    run(training(tmp_path), 3)
    again = training(tmp_path, restart=True, seed=1)
    assert not again.resumed
    assert not again.file.exists()
    assert again.trainer.progress.place == 0
    assert training(tmp_path, restart=True).resumed is False  # nothing there: as well


def test_a_restart_with_a_mistake_leaves_what_there_is(tmp_path: Path) -> None:
    run(training(tmp_path), 3)
    with pytest.raises(InvalidParameter, match="train: iterations = 0"):
        training(tmp_path, restart=True, iterations=0)
    assert training(tmp_path).trainer.progress.place == 0
    assert training(tmp_path).trainer.progress.phase.name == "FIT"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "a"):
        with pytest.raises(GpcError, match=f"{folder}: (File exists|Not a directory)"):
            training(folder)


def test_settings_over_the_robots_file_are_noted(tmp_path: Path) -> None:
    found = training(tmp_path, gamma=1.5)
    run(found, 1)
    settings = checkpoint.read(found.file)[0]["settings"]
    assert settings == {"train": {**tiny.TRAIN, "gamma": 1.5}, "spc": tiny.SPC}
    assert found.trainer.parameters.gamma == 1.5
    np.testing.assert_allclose(found.trainer.collector.spline.horizon_s, 0.3)
