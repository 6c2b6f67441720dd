"""The page as a whole: scene, panels, and their refreshing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from gpc_ros.signals import NS_PER_S
from gpc_ros.tasks.base import Task
from gpc_ros.viz.page import camera, health
from gpc_ros.viz.page.driving import CONTROLLER, PLANNER, Driving
from gpc_ros.viz.page.plant import SIMULATOR, Plant
from gpc_ros.viz.page.plots import Plots
from gpc_ros.viz.page.port import News, Port
from gpc_ros.viz.page.scene import Scene
from gpc_ros.viz.page.server import Server
from gpc_ros.viz.page.settings import settings
from gpc_ros.viz.page.tuning import Control

TUNED = {
    "policy_server": ("warm_start",),
    "spc": ("rule", "samples", "noise", "temperature", "iterations", "polish"),
    "controller": ("blend_time_s",),
}
"""Parameters that change how the robot is driven, by node."""
DISTURBED = {SIMULATOR: ("noise.position", "noise.acceleration", "measurement_delay_s", "actuation_delay_s", "faults.")}
"""Parameters that make it harder."""
_PLOT_RATE_HZ, _PLAN_RATE_HZ, _CANDIDATES_RATE_HZ, _TEXT_RATE_HZ = 8.0, 10.0, 5.0, 2.0


def watched(models: Mapping[str, type[BaseModel]]) -> dict[str, list[str]]:
    """Names of the parameters that the page shows, by node."""
    names = {
        node: [setting.name for chosen in (TUNED, DISTURBED) for setting in settings(node, model, chosen.get(node, ()))]
        for node, model in models.items()
    }
    names[CONTROLLER].append(PLANNER)
    return {node: found for node, found in names.items() if found}


class Page:
    """The page of ``task``'s robot on ``server``. All browsers see the same.

    Whoever holds it calls ``refresh`` at the rate of the picture.

    Args:
        server: where it is shown.
        task: the robot and what it is to do.
        port: the graph behind it.
        models: parameters by node, for the sliders.
        period_ns: of the loop.
    """

    def __init__(
        self, server: Server, task: Task, port: Port, models: Mapping[str, type[BaseModel]], *, period_ns: int
    ) -> None:
        self._server = server
        self._port = port
        self._due: dict[str, int] = {}
        camera.aim(server, task.model)
        self._add_panels(task, models, period_ns)

    def _add_panels(self, task: Task, models: Mapping[str, type[BaseModel]], period_ns: int) -> None:
        gui = self._server.gui
        gui.configure_theme(
            show_logo=False, show_share_button=False, control_width="medium", brand_color=(31, 111, 180)
        )
        self._headline = gui.add_markdown("")
        self._driving = Driving(gui, self._port)
        self._scene = Scene(self._server, task, self._port)
        with gui.add_folder("Simulation") as self._plant_folder:
            self._plant = Plant(gui, self._port, task.model)
        with gui.add_folder("Tuning"):
            self._controls = _controls(gui, self._port, models, TUNED)
        with gui.add_folder("Noise, delays, faults", expand_by_default=False) as self._faults_folder:
            self._controls += _controls(gui, self._port, models, DISTURBED)
        with gui.add_folder("Health", expand_by_default=False):
            self._table = gui.add_markdown("")
            gui.add_markdown(health.LEGEND)
        panel = gui.add_panel()
        with panel.add_tab("Plots"):
            self._plots = Plots(gui, task, period_ns)
        panel.dock_left()
        gui.main_panel.dock_right()

    @property
    def browsers(self) -> int:
        """How many look at it."""
        return len(self._server.get_clients())

    def refresh(self, now_ns: int) -> None:
        """Show what is new at ``now_ns`` (steady). Without a browser, nothing is asked and nothing computed."""
        if not self.browsers:
            return
        news = self._port.news()
        self._plots.add(news)
        with self._server.atomic():
            self._scene.show(news)
            if self._is_due("plan", _PLAN_RATE_HZ, now_ns):
                self._scene.show_plan(news)
            if self._is_due("candidates", _CANDIDATES_RATE_HZ, now_ns):
                self._scene.show_candidates(news)
        if self._is_due("plots", _PLOT_RATE_HZ, now_ns):
            self._plots.draw()
        if self._is_due("text", _TEXT_RATE_HZ, now_ns):
            self._say(news)

    def _say(self, news: News) -> None:
        """What changes slowly."""
        self._headline.content = health.headline(news)
        self._table.content = health.table(news.health)
        self._driving.refresh(news)
        simulated = self._port.values(SIMULATOR) is not None
        self._plant_folder.visible = self._faults_folder.visible = simulated
        for control in self._controls:
            control.refresh()

    def _is_due(self, what: str, rate_hz: float, now_ns: int) -> bool:
        due = now_ns >= self._due.get(what, 0)
        if due:
            self._due[what] = now_ns + round(NS_PER_S / rate_hz)
        return due


def _controls(
    gui: Any, port: Port, models: Mapping[str, type[BaseModel]], chosen: Mapping[str, tuple[str, ...]]
) -> list[Control]:
    return [
        Control(gui, port, setting) for node, names in chosen.items() for setting in settings(node, models[node], names)
    ]
