"""Pictures: what they show, and one line where they cannot be made."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpc_ros.errors import GpcError
from gpc_ros.simulation.run_log import RunLog
from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.viz import plots

matplotlib = pytest.importorskip("matplotlib")

TASK = CartPole()
PNG = b"\x89PNG\r\n\x1a\n"
RECORDS = [
    {
        "iteration": n, "policy_cost": np.nan if n == 0 else 3.0 - n, "spc_cost": 2.5 - n, "policy_best": 0.2 * n,
        "success": None if n == 0 else 0.4 * n, "loss": 1.0 / (n + 1),
    }
    for n in range(3)
]  # fmt: skip


def log(seed: int = 0, ticks: int = 20) -> RunLog:
    found, rng = RunLog(TASK), np.random.default_rng(seed)
    for tick in range(ticks):
        found.add(tick * 2_000_000, rng.random(2), rng.random(2), rng.random(1))
    return found


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures, in place of files."""
    figures: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda figure, file: figures.append(figure))
    return figures


def curves(axis: Any) -> dict[str, list[float]]:
    return {line.get_label(): np.asarray(line.get_ydata(), dtype=float).tolist() for line in axis.lines}


@pytest.mark.parametrize("runs", [1, 2])
def test_runs_show_controls_and_positions_side_by_side(drawn: list[Any], runs: int) -> None:
    logs = {f"warm start {n}": log(n) for n in range(runs)}
    plots.runs(TASK, logs, Path("a.png"))
    axes = np.array(drawn[0].axes).reshape(2, runs)
    assert [axis.get_title() for axis in axes[0]] == list(logs)
    for column, found in zip(axes.T, logs.values(), strict=True):
        times, states, ctrl = found.arrays()
        assert list(curves(column[0]).values()) == [ctrl[:, 0].tolist()]
        assert curves(column[1]) == {"slider": states.qpos[:, 0].tolist(), "hinge": states.qpos[:, 1].tolist()}
        assert column[1].lines[0].get_xdata().tolist() == times.tolist()


def test_a_training_shows_its_figures_by_iteration(drawn: list[Any]) -> None:
    plots.training(RECORDS, Path("a.png"))
    found = [curves(axis) for axis in drawn[0].axes]
    np.testing.assert_equal(found[0], {"policy cost": [np.nan, 2.0, 1.0], "spc cost": [2.5, 1.5, 0.5]})
    np.testing.assert_equal(list(found[2].values()), [[np.nan, 0.4, 0.8]])
    assert list(found[3].values()) == [[1.0, 0.5, 1 / 3]]
    assert drawn[0].axes[0].lines[0].get_xdata().tolist() == [1, 2, 3]


def test_files_are_png(tmp_path: Path) -> None:
    plots.runs(TASK, {"a": log(), "b": log(1)}, tmp_path / "runs.png")
    plots.training(RECORDS, tmp_path / "training.png")
    plots.training(RECORDS[:0], tmp_path / "nothing.png")
    for file in tmp_path.iterdir():
        assert file.read_bytes().startswith(PNG)


@pytest.mark.parametrize("name", ["no/such/folder/a.png", "a.docx"])
def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(GpcError) as refused:
        plots.training(RECORDS, tmp_path / name)
    assert str(refused.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(refused.value)


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(GpcError, match="pictures need matplotlib: pip install matplotlib"):
        plots.training(RECORDS, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


FLOATING = """
<mujoco><worldbody><body><freejoint name="base"/><geom size="0.1"/>
<body><joint name="knee"/><geom size="0.1" pos="1 0 0"/></body></body></worldbody></mujoco>
"""


def test_positions_of_a_joint_with_several_are_told_apart() -> None:
    import mujoco

    class Floating(CartPole):
        def load_model(self) -> mujoco.MjModel:
            return mujoco.MjModel.from_xml_string(FLOATING)

    assert plots._positions(Floating()) == [*(f"base[{k}]" for k in range(7)), "knee"]
