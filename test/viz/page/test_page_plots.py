"""The plots: the last seconds in order, costs that add up to the task's, shares that add up to all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("viser", reason="needs viser")

from gpc_ros import registry
from gpc_ros.signals import NS_PER_S, Command, Estimate
from gpc_ros.tasks.base import States, Task
from gpc_ros.viz.page.plots import Plots
from gpc_ros.viz.page.port import News
from gpc_ros.viz.page.traces import SPAN_S, Traces

PERIOD = 2_000_000


class Gui:
    """Stands in for viser's: keeps the plots by their titles."""

    def __init__(self) -> None:
        self.plots: dict[str, Any] = {}

    def add_uplot(self, data: Any, series: Any, *, title: str, **_: Any) -> Any:
        assert len(data) == len(series)
        self.plots[title] = SimpleNamespace(data=data, series=series)
        return self.plots[title]

    def of(self, word: str) -> Any:
        return next(plot for title, plot in self.plots.items() if word in title)


def test_traces_keep_the_last_seconds_in_order() -> None:
    traces = Traces(2)
    for tick in range(400):
        traces.add(tick * NS_PER_S // 20, [tick, -tick])
        traces.add(tick * NS_PER_S // 20, [0, 0])  # the same stamp again is no news
    times, first, second = traces.columns()
    assert np.all(np.diff(times) > 0)
    assert times[-1] == 0.0
    assert times[0] == pytest.approx(-SPAN_S)
    assert np.array_equal(first, -second)
    assert np.allclose(np.diff(first), 1.0)


def test_traces_begin_anew_when_time_goes_back() -> None:
    traces = Traces(1)
    for stamp in (5 * NS_PER_S, 6 * NS_PER_S, 1 * NS_PER_S):
        traces.add(stamp, [stamp])
    times, values = traces.columns()
    assert times.tolist() == [0.0]
    assert values.tolist() == [NS_PER_S]


def test_traces_are_bounded_however_fast_they_come() -> None:
    traces = Traces(1)
    for tick in range(20_000):
        traces.add(tick, [tick])
    assert len(traces.columns()[0]) < 2000


def test_no_traces_are_columns_of_nothing() -> None:
    assert [len(column) for column in Traces(3).columns()] == [0, 0, 0, 0]


@pytest.mark.parametrize("robot", registry.names("tasks"))
def test_cost_terms_add_up_to_the_running_cost(robot: str) -> None:
    task: Task = registry.load("tasks", robot, Task)()
    gui, rng = Gui(), np.random.default_rng(1)
    plots, start = Plots(gui, task, PERIOD), task.reset(rng)
    costs = []
    for tick in range(1, 5):
        ctrl = rng.uniform(*task.model.actuator_ctrlrange.T)
        qvel = start.qvel + 0.1 * rng.standard_normal(task.model.nv)
        now = Estimate(tick * NS_PER_S, start.qpos, qvel), Command(tick * NS_PER_S, ctrl)
        plots.add(News(estimate=now[0], command=now[1], goal=start.goal))
        if not task.needs_sensors:
            states = States(start.qpos[None], qvel[None])
            costs.append(task.running_cost(states, ctrl[None], start.goal)[0])
    plots.draw()
    shown = np.sum(gui.of("cost").data[1:], axis=0)
    assert np.isfinite(shown).all()
    assert len(shown) == 4
    if costs and len(task.running_weights) == len(gui.of("cost").series) - 1:
        assert shown == pytest.approx(costs)


def test_state_and_command_are_shown_by_name() -> None:
    task, gui = registry.load("tasks", "cart_pole", Task)(), Gui()
    plots = Plots(gui, task, PERIOD)
    for tick in (1, 2):
        now = Estimate(tick * NS_PER_S, np.array([0.1, 0.2]), np.array([1.0, 2.0]))
        plots.add(News(estimate=now, command=Command(tick * NS_PER_S, np.array([0.5]))))
    plots.draw()
    assert [line["label"] for line in gui.of("Position").series[1:]] == ["slider", "hinge"]
    assert [column[-1] for column in gui.of("Position").data[1:]] == [0.1, 0.2]
    assert [column[-1] for column in gui.of("Velocity").data[1:]] == [1.0, 2.0]
    assert gui.of("Command").data[1][-1] == 0.5


def test_the_histogram_holds_every_latency_also_those_beyond_its_end() -> None:
    gui = Gui()
    plots = Plots(gui, registry.load("tasks", "cart_pole", Task)(), PERIOD)
    plots.add(News(latencies_ns=(600_000, 600_001, 700_000, 3_900_000, 10**9)))
    plots.draw()
    edges_ms, heights = gui.of("Measurement").data
    assert np.all(np.diff(edges_ms) >= 0)
    assert edges_ms[-1] == pytest.approx(2 * PERIOD / 1e6)
    assert heights[::2].sum() == pytest.approx(100.0)
    assert heights[edges_ms < 0.55].max() == 0.0
    assert heights[np.searchsorted(edges_ms, 0.65) - 1] == pytest.approx(40.0)


def test_without_news_the_plots_stay_empty() -> None:
    gui = Gui()
    plots = Plots(gui, registry.load("tasks", "cart_pole", Task)(), PERIOD)
    plots.add(News())
    plots.draw()
    assert np.isnan(gui.of("Position").data[1]).all()
