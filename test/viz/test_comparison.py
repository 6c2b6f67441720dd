"""Bars of published and own figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gpc_ros.viz import comparison
from gpc_ros.viz.comparison import Panel

BarContainer = pytest.importorskip("matplotlib.container").BarContainer

PANELS = [
    Panel("costs", {"published": {"a": (2.0, 0.5), "b": (3.0, 0.25)}, "here": {"b": (1.0, 0.125)}}),
    Panel("times", {"published": {"a": (10.0, 0.0)}, "here": {}}, logarithmic=True),
]


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Of the figure, instead of a file."""
    figures: list[Any] = []
    monkeypatch.setattr(comparison, "save", lambda figure, file: figures.append(figure))
    comparison.comparison(PANELS, Path("a.png"))
    return list(figures[0].axes)


def bar_containers(axis: Any) -> list[Any]:
    return [container for container in axis.containers if isinstance(container, BarContainer)]


def test_every_bar_stands_beside_its_group(axes: list[Any]) -> None:
    axis = axes[0]
    names = [label.get_text() for label in axis.get_xticklabels()]
    assert names == ["a", "b"]
    bars = {
        bars.get_label(): [(bar.get_center()[0], bar.get_height()) for bar in bars] for bars in bar_containers(axis)
    }
    assert [height for _, height in bars["published"]] == [2.0, 3.0]
    assert [names[round(at)] for at, _ in bars["published"]] == ["a", "b"]
    ((at, height),) = bars["here"]
    assert (names[round(at)], height) == ("b", 1.0)
    assert at > bars["published"][1][0], "not on top of one another"


def test_spreads_are_drawn_where_there_are_any(axes: list[Any]) -> None:
    assert [len(axis.collections) for axis in axes] == [2, 0]
    (published, _) = axes[0].collections
    low, high = published.get_segments()[0][:, 1]
    assert (low, high) == (1.5, 2.5)


def test_scales_and_titles(axes: list[Any]) -> None:
    assert [(axis.get_title(), axis.get_yscale()) for axis in axes] == [("costs", "linear"), ("times", "log")]


@pytest.mark.parametrize("count", [1, 4, 7])
def test_any_number_of_panels_makes_a_file(tmp_path: Path, count: int) -> None:
    comparison.comparison((PANELS * 4)[:count], tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
