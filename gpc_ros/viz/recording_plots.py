"""A recorded run as one figure: state, command, latency and cost over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gpc_ros import actuators
from gpc_ros.coordinates import Coordinates
from gpc_ros.recording import figures
from gpc_ros.recording.history import History, Times
from gpc_ros.signals import Array
from gpc_ros.tasks.base import Task
from gpc_ros.viz import plots

_MOST_POINTS = 20_000  # of a curve: more than the figure has columns
_GAP = 10  # times the usual time between two messages
_MOST_TERMS = 8  # of the cost that are drawn, the dearest first


def recording(task: Task, history: History, title: str, file: Path) -> None:
    """Draw a run into ``file``: estimate (wide and pale: the truth), commands, latencies, running cost by its terms.

    Dotted lines are changes of the planner that drives.

    Raises:
        GpcError: if matplotlib is not installed, the file cannot be written, or what was recorded is another robot's.
    """
    figure, axes = plots.figure_of(5, 1, width=11.0, height=2.3, sharex=True)
    column = axes[:, 0]
    _states(column[0], history, task, "position")
    _states(column[1], history, task, "velocity")
    _commands(column[2], history, task)
    _latencies(column[3], history)
    _costs(column[4], history, task)
    labels = ("position\n[m], angle [rad]", "velocity\n[m/s], [rad/s]", "command", "latency [ms]", "running cost")
    for axis, label in zip(column, labels, strict=True):
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small", frameon=False, markerscale=5)
    _drivers(column, history)
    figure.suptitle(title, fontsize="medium")
    column[-1].set_xlabel("time [s]")
    plots.save(figure, file)


def _states(axis: Any, history: History, task: Task, kind: str) -> None:
    names = Coordinates(task.model).names
    for topic, style in (("ground_truth", {"linewidth": 3.0, "alpha": 0.3}), ("state_estimate", {"linewidth": 0.9})):
        if (track := history.tracks.get(topic)) is not None:
            for index, values in enumerate(track.values(kind, names).T):
                label = names[index] if topic == "state_estimate" else "" if index else "true state (wide)"
                _curve(axis, history, track.stamp_ns, values, color=f"C{index % 10}", label=label, **style)


def _commands(axis: Any, history: History, task: Task) -> None:
    if (track := history.tracks.get("command")) is not None:
        for name, values in zip(actuators.names(task.model), figures.controls(track, task).T, strict=True):
            _curve(axis, history, track.stamp_ns, values, linewidth=0.9, drawstyle="steps-post", label=name)


def _latencies(axis: Any, history: History) -> None:
    found = figures.latencies(history)
    for name, (stamps, times_ms) in found.items():
        if len(stamps):
            p50, p99 = np.percentile(times_ms, (50, 99))
            label = f"{name}\np50 {p50:.2f}, p99 {p99:.2f}"
            axis.plot(history.seconds(stamps), times_ms, ".", markersize=2.0, alpha=0.6, label=label)
    if any((times_ms > 0).any() for _, times_ms in found.values()):
        axis.set_yscale("log")


def _costs(axis: Any, history: History, task: Task) -> None:
    if (found := figures.costs(history, task)) is None:
        return
    _curve(axis, history, found.stamp_ns, found.total, color="black", linewidth=1.0, label="total")
    terms = sorted(found.terms.items(), key=lambda term: -float(np.mean(term[1])))
    for name, values in terms[:_MOST_TERMS]:
        _curve(axis, history, found.stamp_ns, values, linewidth=0.9, alpha=0.8, label=name)


def _drivers(axes: Any, history: History) -> None:
    """A line where the driver changes, with the name of the new one above, where there is room for it."""
    next_s, room_s = np.inf, 0.04 * np.ptp(axes[0].get_xlim())
    for sent_ns, name in reversed(history.drivers):
        time_s = history.seconds(np.array([history.stamp_at(sent_ns)]))[0]
        for axis in axes:
            axis.axvline(time_s, color="gray", linestyle=":", linewidth=0.9)
        if next_s - time_s >= room_s:
            axes[0].annotate(name, (time_s, 1.02), xycoords=("data", "axes fraction"), fontsize="x-small", color="gray")
            next_s = time_s


def _curve(axis: Any, history: History, stamp_ns: Times, values: Array, **style: Any) -> None:
    """Values over stamps, interrupted where messages are missing."""
    step = max(1, len(stamp_ns) // _MOST_POINTS)
    times, values = history.seconds(stamp_ns[::step]), values[::step]
    apart = np.diff(times)
    gaps = np.flatnonzero((apart > _GAP * np.median(apart)) | (apart < 0)) + 1 if len(apart) else np.empty(0, int)
    axis.plot(np.insert(times, gaps, np.nan), np.insert(values, gaps, np.nan), **style)
