"""Who drives: the planner drop-down, what is said of it, and the button that stops the robot."""

from __future__ import annotations

from typing import Any

from gpc_ros import registry
from gpc_ros.control.executive import STOP
from gpc_ros.viz.page.notices import refuse
from gpc_ros.viz.page.port import News, Port
from gpc_ros.viz.page.setter import Setter

CONTROLLER = "controller"
PLANNER = "planner"


class Driving:
    """The planner that drives, in viser's ``gui``. A change that is refused says why, and the list goes back."""

    def __init__(self, gui: Any, port: Port) -> None:
        self._port = port
        self._setter = Setter(port, CONTROLLER, PLANNER)
        self._planners = registry.names("control")
        self._driver = ""
        self._list = gui.add_dropdown(
            "Planner", self._planners, hint="who shall drive; the change happens once the new planner has a plan"
        )
        self._stop = gui.add_button("Stop", color="red", icon="hand-stop", hint="the safe command, until told to go on")
        self._go = gui.add_button("Drive on", color="green", icon="player-play", visible=False)
        self._list.disabled = True
        self._list.on_update(self._on_choice)
        self._stop.on_click(lambda _: port.stop(True))
        self._go.on_click(lambda _: port.stop(False))

    def _on_choice(self, event: Any) -> None:
        if event.client is None:
            return  # it was us
        wanted = event.target.value

        def refused(reason: str) -> None:
            refuse(event.client, f"{wanted} does not drive", reason)
            self._show(self._driver)

        self._setter.set(wanted, refused)

    def refresh(self, news: News) -> None:
        """Show who really drives."""
        self._driver = news.driver
        stopped = news.driver == STOP
        for button, visible in ((self._stop, not stopped), (self._go, stopped)):
            if button.visible != visible:
                button.visible = visible
        self._list.disabled = self._port.values(CONTROLLER) is None
        if not self._setter.busy:
            self._show(news.driver)

    def _show(self, driver: str) -> None:
        if driver not in self._planners:  # stopped, or nobody has said: then whose turn it would be
            driver = (self._port.values(CONTROLLER) or {}).get(PLANNER, "")
        if driver in self._planners:
            self._list.value = driver
