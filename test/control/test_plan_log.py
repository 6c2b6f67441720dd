"""Replans on disk: bounded, whole, and only those of the robot at hand are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpc_ros import archive
from gpc_ros.config import make
from gpc_ros.control import plan_log
from gpc_ros.control.plan_log import Recorder, read
from gpc_ros.control.previous import Grid
from gpc_ros.control.spc import Spc, SpcParameters
from gpc_ros.errors import GpcError
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Estimate, Plan
from gpc_ros.tasks.base import States
from gpc_ros.tasks.cart_pole import CartPole

MS = 1_000_000
GRID = Grid(2, 100 * MS, Interpolation.ZERO)
WIDTHS = (3, 1)


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_log, "_ROWS", 3)
    monkeypatch.setattr(plan_log, "_FILES", 4)


def recorded(folder: Path, count: int, *, first: int = 0, grid: Grid = GRID, robot: str = "pendulum") -> Recorder:
    """Pairs whose observation is their number."""
    recorder = Recorder(folder, robot)
    for number in range(first, first + count):
        plan = np.arange(float(grid.count))[:, np.newaxis] + number
        recorder.add(np.full(3, float(number)), plan, -plan, grid)
    return recorder


def numbers(folder: Path) -> list[float]:
    return read(folder, "pendulum", GRID, WIDTHS).observation[:, 0].tolist()


def test_what_is_recorded_is_read(tmp_path: Path) -> None:
    recorded(tmp_path / "new" / "log", 4).flush()
    pairs = read(tmp_path / "new" / "log", "pendulum", GRID, WIDTHS)
    assert pairs.observation.tolist() == [[n] * 3 for n in range(4)]
    assert pairs.before[..., 0].tolist() == [[n, n + 1] for n in range(4)]
    np.testing.assert_array_equal(pairs.after, -pairs.before)
    assert pairs.observation.dtype == pairs.before.dtype == np.float64


def test_files_are_written_when_full_and_at_the_end(tmp_path: Path) -> None:
    recorder = recorded(tmp_path, 7)
    assert len(list(tmp_path.iterdir())) == 2
    recorder.flush()
    recorder.flush()  # nothing new: no file
    assert len(list(tmp_path.iterdir())) == 3
    assert numbers(tmp_path) == list(range(7))


def test_the_folder_keeps_the_newest_files_of_all_processes(tmp_path: Path) -> None:
    recorded(tmp_path, 9)
    recorded(tmp_path, 30, first=9)  # another recorder goes on, and takes the place of the first one's files
    assert len(list(tmp_path.iterdir())) == 4
    assert numbers(tmp_path) == list(range(27, 39))


def test_a_recorder_leaves_the_files_of_another_alone(tmp_path: Path) -> None:
    """As after a restart, with the same process number."""
    recorded(tmp_path, 3)
    recorded(tmp_path, 3, first=3)
    assert numbers(tmp_path) == list(range(6))
    (tmp_path / "plans_mine.npz").write_bytes(b"")
    recorded(tmp_path, 3, first=6)
    (tmp_path / "plans_mine.npz").unlink()
    assert numbers(tmp_path) == list(range(9))


def test_what_is_noted_is_not_what_the_caller_goes_on_changing(tmp_path: Path) -> None:
    recorder, row = Recorder(tmp_path, "pendulum"), np.zeros(3)
    before, after = np.zeros((2, 1)), np.ones((2, 1))
    recorder.add(row, before, after, GRID)
    for array in (row, before, after):
        array[:] = 9.0
    recorder.flush()
    pairs = read(tmp_path, "pendulum", GRID, WIDTHS)
    assert (pairs.observation.max(), pairs.before.max(), pairs.after.max()) == (0.0, 0.0, 1.0)


def test_plans_come_on_the_knots_that_are_wanted(tmp_path: Path) -> None:
    """Recorded on two grids, as when the parameters of spc change; a held plan twice as dense is the same signal."""
    recorder, dense = recorded(tmp_path, 1), Grid(4, 50 * MS, Interpolation.ZERO)
    recorder.add(np.ones(3), np.array([[1.0], [1.0], [3.0], [3.0]]), np.zeros((4, 1)), dense)
    recorder.flush()
    assert len(list(tmp_path.iterdir())) == 2
    for grid, expected in ((dense, [[0, 0, 1, 1], [1, 1, 3, 3]]), (GRID, [[0, 1], [1, 3]])):
        np.testing.assert_allclose(read(tmp_path, "pendulum", grid, WIDTHS).before[..., 0], expected)


def test_a_full_disk_loses_pairs_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = archive.write

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive, "write", full)
    recorder = recorded(tmp_path, 3)
    monkeypatch.setattr(archive, "write", write)
    recorder.add(np.full(3, 7.0), np.zeros((2, 1)), np.zeros((2, 1)), GRID)
    recorder.flush()
    assert numbers(tmp_path) == [7.0]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GpcError, match=f"spc.record = {tmp_path}/file/log: Not a directory"):
        Recorder(tmp_path / "file" / "log", "pendulum")


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_without_plans_is_refused(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "log"
    if made:
        folder.mkdir()
    with pytest.raises(GpcError, match=f"{folder}: no recorded plans .*-p spc.record=DIR"):
        read(folder, "pendulum", GRID, WIDTHS)


ABOUT = {"robot": "pendulum", "count": 2, "period_ns": 100 * MS, "interpolation": "zero"}
PAIRS = {"observation": np.zeros((5, 3)), "before": np.zeros((5, 2, 1)), "after": np.zeros((5, 2, 1))}


@pytest.mark.parametrize(
    ("about", "arrays", "words"),
    [
        ({"robot": "cart_pole"}, {}, "was recorded on cart_pole, not on pendulum"),
        ({"count": 3}, {}, r"before has shape \(5, 2, 1\), pendulum needs finite values of shape \(5, 3, 1\)"),
        ({"count": 0}, {}, "damaged: 0 knots"),
        ({"period_ns": 0}, {}, "damaged: 2 knots, 0 ns apart"),
        ({"interpolation": "quintic"}, {}, "damaged: 'quintic' is not a valid Interpolation"),
        ({"count": None}, {}, "damaged: int"),
        ({}, {"observation": np.zeros((5, 4))}, r"observation has shape \(5, 4\), pendulum needs .* \(5, 3\)"),
        ({}, {"observation": np.zeros(())}, r"observation has shape \(\)"),
        ({}, {"after": np.zeros((4, 2, 1))}, r"after has shape \(4, 2, 1\)"),
        ({}, {"before": np.zeros((5, 2, 2))}, r"before has shape \(5, 2, 2\)"),
        ({}, {"after": np.full((5, 2, 1), np.nan)}, "after has shape .* finite"),
        ({}, {"after": np.full((5, 2, 1), "x")}, "damaged: could not convert string to float"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused_by_name(tmp_path: Path, about: Any, arrays: Any, words: str) -> None:
    recorded(tmp_path, 3)
    file = tmp_path / "plans_zzz.npz"
    archive.write(file, {**ABOUT, **about}, {**PAIRS, **arrays}, sync=False)
    with pytest.raises(GpcError, match=words) as refused:
        read(tmp_path, "pendulum", GRID, WIDTHS)
    assert str(refused.value).startswith(str(file))
    assert "\n" not in str(refused.value)


def test_a_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    recorded(tmp_path, 3)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for content in (b"", whole[:-30], whole[:100], b"no archive"):
        file.write_bytes(content)
        with pytest.raises(GpcError, match=f"{file}: damaged or of another kind"):
            read(tmp_path, "pendulum", GRID, WIDTHS)


def spc(**values: Any) -> Spc:
    quick = {"samples": 8, "horizon_s": 0.4, "knots": 4, "interpolation": "zero", "polish": 1, **values}
    return Spc(CartPole(), make(SpcParameters, quick, "spc"))


def test_spc_records_where_a_replan_began_and_what_it_found(tmp_path: Path) -> None:
    planner, task = spc(record=str(tmp_path)), CartPole()
    previous, estimates, plans = None, [], []
    for tick in range(2):
        estimate = Estimate(tick * 100 * MS, np.array([0.2, 0.4]), np.array([0.1, -0.3 * tick]))
        previous = planner.plan(estimate, previous)
        assert previous is not None
        estimates.append(estimate)
        plans.append(previous)
    assert planner.plan(Estimate(0, np.array([np.nan, 0.0]), np.zeros(2))) is None  # no plan, no pair
    planner.close()
    pairs = read(tmp_path, "cart_pole", Grid(4, 100 * MS, Interpolation.ZERO), (5, 1))
    for row, (estimate, plan) in enumerate(zip(estimates, plans, strict=True)):
        expected = task.observe(States(estimate.qpos, estimate.qvel), np.empty(0))
        np.testing.assert_array_equal(pairs.observation[row], expected)
        np.testing.assert_array_equal(pairs.after[row], plan.knots)
    first = plans[0].knots
    np.testing.assert_array_equal(pairs.before, [np.zeros((4, 1)), np.concatenate([first[1:], first[-1:]])])
    assert len(pairs.observation) == 2


def test_spc_records_nothing_unless_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    planner = spc()
    assert isinstance(planner.plan(Estimate(0, np.zeros(2), np.zeros(2))), Plan)
    planner.close()
    assert list(tmp_path.iterdir()) == []
