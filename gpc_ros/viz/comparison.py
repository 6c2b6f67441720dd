"""Published and own figures as bars side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpc_ros.viz.plots import figure_of, save

_COLUMNS = 4
"""Panels in a row, at most."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars of several series, by series and then by group: mean and standard deviation, 0 where there is none.

    A group need not be in every series; where it lacks, there is a gap.
    """

    title: str
    bars: Mapping[str, Mapping[str, tuple[float, float]]]
    logarithmic: bool = False


def comparison(panels: Sequence[Panel], file: Path) -> None:
    """Draw ``panels``, the series of each in colours of their own, and write them to ``file``.

    Raises:
        GpcError: if matplotlib is not installed, or the file cannot be written.
    """
    columns = min(len(panels), _COLUMNS)
    figure, axes = figure_of(-(-len(panels) // columns), columns, height=3.2)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    for axis, panel in zip(axes.flat, panels, strict=False):
        _draw(axis, panel)
    save(figure, file)


def _draw(axis: Any, panel: Panel) -> None:
    groups = list(dict.fromkeys(group for bars in panel.bars.values() for group in bars))
    width = 0.8 / len(panel.bars)
    for place, (series, bars) in enumerate(panel.bars.items()):
        at = np.array([groups.index(group) for group in bars]) + (place + 0.5) * width - 0.4
        means, spreads = np.array(list(bars.values()), dtype=float).reshape(-1, 2).T
        axis.bar(at, means, width, yerr=spreads if np.any(spreads) else None, capsize=2, label=series)
    axis.set_xticks(range(len(groups)), groups, rotation=20, ha="right", fontsize="small")
    if panel.logarithmic:
        axis.set_yscale("log")
    axis.set_title(panel.title, fontsize="medium")
    axis.grid(axis="y", alpha=0.3)
    axis.legend(fontsize="small")
