"""Figures as PNG files, with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpc_ros import actuators
from gpc_ros.errors import GpcError
from gpc_ros.signals import Array
from gpc_ros.simulation.run_log import RunLog
from gpc_ros.tasks.base import Task

_CURVES = (
    (("policy_cost", "spc_cost"), "cost of the best candidate"),
    (("policy_best",), "share of replans in which the policy is best"),
    (("success",), "success of the policy alone"),
    (("loss",), "loss"),
)


def runs(task: Task, logs: Mapping[str, RunLog], file: Path) -> None:
    """Controls (above) and joint positions (below) over time of each run, side by side under their names.

    Raises:
        GpcError: if matplotlib is not installed, or the file cannot be written.
    """
    figure, axes = figure_of(2, len(logs), sharex=True, sharey="row")
    for column, (title, log) in zip(axes.T, logs.items(), strict=True):
        times, states, ctrl = log.arrays()
        _lines(column[0], times, ctrl, actuators.names(task.model))
        _lines(column[1], times, states.qpos, _positions(task))
        column[0].set_title(title)
        column[1].set_xlabel("time [s]")
    axes[0, 0].set_ylabel("control")
    axes[1, 0].set_ylabel("position [m], angle [rad]")
    axes[1, 0].legend(loc="best", fontsize="small")
    save(figure, file)


def training(records: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Costs, share in which the policy is best, success and loss over the iterations of a training.

    Raises:
        GpcError: if matplotlib is not installed, or the file cannot be written.
    """
    figure, axes = figure_of(1, len(_CURVES))
    iterations = [record["iteration"] + 1 for record in records]
    for axis, (names, title) in zip(axes[0], _CURVES, strict=True):
        for name in names:
            axis.plot(iterations, [record[name] for record in records], marker=".", label=name.replace("_", " "))
        axis.set_title(title, fontsize="medium")
        axis.set_xlabel("iteration")
        axis.grid(alpha=0.3)
        if len(names) > 1:
            axis.legend(fontsize="small")
    save(figure, file)


def _lines(axis: Any, times: Array, values: Array, names: Sequence[str]) -> None:
    for name, line in zip(names, values.T, strict=True):
        axis.plot(times, line, linewidth=0.8, label=name)
    axis.grid(alpha=0.3)


def _positions(task: Task) -> list[str]:
    model = task.model
    sizes = np.diff([*model.jnt_qposadr, model.nq])
    return [model.joint(i).name + (f"[{k}]" if n > 1 else "") for i, n in enumerate(sizes) for k in range(n)]


def figure_of(rows: int, columns: int, *, width: float = 4.5, height: float = 2.8, **shared: Any) -> tuple[Any, Any]:
    """A figure and its axes (rows, columns), each ``width`` by ``height`` inches; ``shared`` as in ``subplots``.

    Raises:
        GpcError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise GpcError("pictures need matplotlib: pip install matplotlib") from None
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def save(figure: Any, file: Path) -> None:
    """Write ``figure`` to ``file``.

    Raises:
        GpcError: if that is not possible; names the file.
    """
    try:
        figure.savefig(file, dpi=110)
    except (OSError, ValueError) as error:
        raise GpcError(f"{file}: {error}") from None
