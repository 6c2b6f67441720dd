"""The figure of a recording: what its panels show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mcap", reason="needs mcap")
pytest.importorskip("matplotlib", reason="needs matplotlib")
pytest.importorskip("sensor_msgs.msg", reason="needs the ROS package sensor_msgs")
import tapes

from gpc_ros.errors import GpcError
from gpc_ros.nodes import cdr
from gpc_ros.recording.history import History
from gpc_ros.recording.reader import Recording
from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.tasks.particle import Particle
from gpc_ros.viz import plots, recording_plots

MS = tapes.MS
TICKS = [*range(50), *range(80, 100)]  # some are missing


def command(tick: int) -> bytes:
    return cdr.encode_joint_state((tick + 500) * 2 * MS, "", ("slider_motor",), effort=[0.01 * tick])


@pytest.fixture
def run(tmp_path: Path) -> History:
    rows: list[tapes.Row] = [("controller/active", 0, tapes.text("hold"))]
    for tick in TICKS:
        now = tick * 2 * MS
        rows += [("joint_states", now, tapes.state(tick)), ("ground_truth", now, tapes.state(tick, value=1.0))]
        rows += [("state_estimate", now + MS // 2, tapes.state(tick)), ("command", now + MS, command(tick))]
        if tick == 40:
            rows.append(("controller/active", now + MS, tapes.text("spc")))
    return History(Recording(tapes.write(tmp_path / "a.mcap", rows)), cdr)


@pytest.fixture
def axes(run: History, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    figures: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda figure, file: figures.append(figure))
    recording_plots.recording(CartPole(), run, "a run", tmp_path / "a.png")
    assert figures[0].get_suptitle() == "a run"
    return {axis.get_ylabel().split()[0]: axis for axis in figures[0].axes}


def curve(axis: Any, label: str) -> np.ndarray:
    (line,) = (line for line in axis.lines if line.get_label() == label)
    return np.array(line.get_xydata())


def test_every_panel_shows_its_values_over_the_stamps(axes: Any) -> None:
    times = 0.002 * np.array(TICKS)
    shown = {
        "position": ("hinge", np.full(len(TICKS), 0.1)),
        "velocity": ("hinge", np.array(TICKS, dtype=float)),
        "command": ("slider_motor", 0.01 * np.array(TICKS)),
    }
    for panel, (label, values) in shown.items():
        data = curve(axes[panel], label)
        data = data[~np.isnan(data).any(axis=1)]
        np.testing.assert_allclose(data, np.column_stack([times, values]), atol=1e-12)


def test_the_true_state_lies_beneath_the_estimate(axes: Any) -> None:
    truth = curve(axes["position"], "true state (wide)")
    assert set(truth[~np.isnan(truth).any(axis=1), 1]) == {1.0}


def test_curves_are_interrupted_where_messages_are_missing(axes: Any) -> None:
    data = curve(axes["command"], "slider_motor")
    (gap,) = np.flatnonzero(np.isnan(data[:, 1]))
    assert data[gap - 1, 0] == pytest.approx(0.098)
    assert data[gap + 1, 0] == pytest.approx(0.160)


def test_latencies_are_named_with_their_percentiles(axes: Any) -> None:
    labels = [line.get_label() for line in axes["latency"].lines]
    assert "joint_states to command\np50 1.00, p99 1.00" in labels
    assert "joint_states to state_estimate\np50 0.50, p99 0.50" in labels


def test_cost_is_shown_by_its_terms(axes: Any) -> None:
    labels = {line.get_label() for line in axes["running"].lines}
    assert {"total", *CartPole.running_weights} <= labels
    total = curve(axes["running"], "total")
    parts = sum(curve(axes["running"], name) for name in CartPole.running_weights)
    np.testing.assert_allclose(total[:, 1], parts[:, 1])


def test_lines_with_names_show_who_drives(axes: Any) -> None:
    assert [text.get_text() for text in axes["position"].texts] == ["spc", "hold"]
    assert axes["position"].texts[0].xy[0] == pytest.approx(0.08, abs=0.002)


def test_what_is_missing_leaves_its_panel_empty(tmp_path: Path) -> None:
    rows = [("state_estimate", tick * MS, tapes.state(tick)) for tick in range(3)]
    history = History(Recording(tapes.write(tmp_path / "b.mcap", rows)), cdr)
    recording_plots.recording(CartPole(), history, "", tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


def test_another_robot_is_refused_by_its_names(run: History, tmp_path: Path) -> None:
    with pytest.raises(GpcError, match="recorded are slider, hinge, not "):
        recording_plots.recording(Particle(), run, "", tmp_path / "a.png")
