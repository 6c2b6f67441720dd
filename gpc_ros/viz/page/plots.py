"""Live plots: state, command, cost terms over the last seconds, and how long commands took."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from gpc_ros import actuators
from gpc_ros.coordinates import Coordinates
from gpc_ros.signals import Array, Command, Estimate
from gpc_ros.tasks.base import States, Task
from gpc_ros.viz.page.port import News
from gpc_ros.viz.page.traces import SPAN_S, Traces

_COLOURS = ("#1f6fb4", "#e8792e", "#2e9e5b", "#c9403f", "#7a5bb5", "#8a6d5c", "#d46ba6", "#6f7780", "#b5a21f")
_MOST_LINES = len(_COLOURS)  # more cannot be told apart
_HEIGHT_PX = 110
_AXES: tuple[Any, Any] = ({"size": 34}, {"space": 20, "size": 42})  # [px]: room for ticks, least distance of two
_BINS, _BINS_PER_PERIOD = 40, 20  # the histogram ends at two periods
_KEPT_LATENCIES = 2000


class Plots:
    """The plots of one robot in viser's ``gui``."""

    def __init__(self, gui: Any, task: Task, period_ns: int) -> None:
        self._task = task
        coordinates = Coordinates(task.model)
        self._to_tangent = coordinates.to_tangent
        self._goal: Array = np.array(task.goal, dtype=float)
        self._data = mujoco.MjData(task.model)
        names = coordinates.names
        self._position = _Chart(gui, "Position [m, rad]", names)
        self._velocity = _Chart(gui, "Velocity [m/s, rad/s]", names)
        self._command = _Chart(gui, "Command [actuator units]", actuators.names(task.model))
        self._cost = _Chart(gui, "Running cost by term", tuple(task.running_weights))
        self._latency = Latency(gui, period_ns)

    def add(self, news: News) -> None:
        """Take what is new; draws nothing."""
        if news.goal is not None:
            self._goal = news.goal
        if (estimate := news.estimate) is not None:
            self._position.add(estimate.stamp_ns, self._to_tangent(estimate.qpos))
            self._velocity.add(estimate.stamp_ns, estimate.qvel)
        if (command := news.command) is not None:
            self._command.add(command.stamp_ns, command.ctrl)
            if estimate is not None:
                self._cost.add(estimate.stamp_ns, self._terms(estimate, command))
        self._latency.add(news.latencies_ns)

    def _terms(self, estimate: Estimate, command: Command) -> list[float]:
        """What each term adds to the running cost now."""
        sensors = None
        if self._task.needs_sensors:
            self._data.qpos[:], self._data.qvel[:], self._data.ctrl[:] = estimate.qpos, estimate.qvel, command.ctrl
            mujoco.mj_forward(self._task.model, self._data)
            sensors = self._data.sensordata[np.newaxis].copy()
        states = States(estimate.qpos[np.newaxis], estimate.qvel[np.newaxis], sensors)
        residuals = self._task.running_residuals(states, command.ctrl[np.newaxis], self._goal)
        return [
            weight * sum(float(component[0]) ** 2 for component in residuals.get(name, ()))
            for name, weight in self._task.running_weights.items()
        ]

    def draw(self) -> None:
        """Send the present curves to the browsers."""
        for chart in (self._position, self._velocity, self._command, self._cost, self._latency):
            chart.draw()


class _Chart:
    """Curves over the last seconds."""

    def __init__(self, gui: Any, title: str, names: Sequence[str]) -> None:
        self._names = names[:_MOST_LINES]
        self._traces = Traces(len(self._names))
        lines = [
            {"label": name, "stroke": colour, "width": 1.5} for name, colour in zip(self._names, _COLOURS, strict=False)
        ]
        self._plot = gui.add_uplot(
            (np.array([-SPAN_S, 0.0]), *(np.array([np.nan, np.nan]) for _ in self._names)),
            ({"label": "t [s]"}, *lines),
            title=title,
            scales={"x": {"time": False, "range": (-SPAN_S, 0.0)}, "y": {"auto": True}},
            axes=_AXES,
            legend={"show": True, "live": False},
            height=_HEIGHT_PX,
            padding=(4, 12, 0, 0),
        )

    def add(self, stamp_ns: int, values: Sequence[float] | Array) -> None:
        self._traces.add(stamp_ns, values[: len(self._names)])

    def draw(self) -> None:
        columns = self._traces.columns()
        if len(columns[0]) > 1:
            self._plot.data = columns


class Latency:
    """How long commands took, from the sending of a measurement to that of its command: shares by time."""

    def __init__(self, gui: Any, period_ns: int) -> None:
        self._edges_ns = period_ns / _BINS_PER_PERIOD * np.arange(_BINS + 1)
        self._latencies: deque[int] = deque(maxlen=_KEPT_LATENCIES)
        self._plot = gui.add_uplot(
            self._steps(np.zeros(_BINS)),
            ({"label": "ms"}, {"label": "% of commands", "stroke": _COLOURS[0], "fill": "rgba(31, 111, 180, 0.25)"}),
            title="Measurement to command [ms]",
            scales={"x": {"time": False, "range": (0.0, self._edges_ns[-1] / 1e6)}, "y": {"auto": True}},
            axes=_AXES,
            legend={"show": False},
            height=_HEIGHT_PX,
            padding=(4, 12, 0, 0),
        )

    def add(self, latencies_ns: Sequence[int]) -> None:
        """Take more of them [ns]."""
        self._latencies.extend(latencies_ns)

    def draw(self) -> None:
        """Send the histogram of the last ones."""
        if self._latencies:
            clipped = np.minimum(self._latencies, self._edges_ns[-1] - 1)
            counts, _ = np.histogram(clipped, self._edges_ns)
            self._plot.data = self._steps(100.0 * counts / len(clipped))

    def _steps(self, heights: Array) -> tuple[Array, Array]:
        """Outline of the bars: edges [ms] and heights, each twice."""
        edges_ms = self._edges_ns / 1e6
        return np.repeat(edges_ms, 2)[1:-1], np.repeat(heights, 2)
