"""A graph of the test's making."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from gpc_ros import config
from gpc_ros.node_parameters import PARAMETERS
from gpc_ros.signals import Array
from gpc_ros.simulation.pushes import Push
from gpc_ros.viz.page.page import watched
from gpc_ros.viz.page.port import Done, News


class FakePort:
    """Tells ``now``, notes what it is asked for, accepts it or refuses it with ``refusal``."""

    def __init__(self, robot: str) -> None:
        self.now = News()
        self.asked = 0
        self.refusal = ""
        self.parameters: dict[str, dict[str, Any] | None] = {}
        for node, names in watched(PARAMETERS).items():
            loaded = config.load(robot, node, PARAMETERS[node])
            self.parameters[node] = {name: _dotted(loaded, name) for name in names}
        self.calls: list[tuple[Any, ...]] = []
        self.waiting: list[Done] | None = None
        """Where answers wait until the test gives them; None: they come at once."""
        self._lock = threading.Lock()

    def news(self) -> News:
        self.asked += 1
        return self.now

    def values(self, node: str) -> Mapping[str, Any] | None:
        self.asked += 1
        return self.parameters[node]

    def set_value(self, node: str, name: str, value: Any, done: Done) -> None:
        with self._lock:
            self.calls.append((node, name, value))
        if not self.refusal and (known := self.parameters[node]) is not None:
            known[name] = value
        self._answer(done)

    def ask_plant(self, what: str, done: Done) -> None:
        self.calls.append((what,))
        self._answer(done)

    def _answer(self, done: Done) -> None:
        if self.waiting is None:
            done(self.refusal)
        else:
            self.waiting.append(done)

    def push(self, push: Push) -> None:
        self.calls.append(("push", push))

    def go_to(self, goal: Array) -> None:
        self.calls.append(("goal", goal))

    def stop(self, stopped: bool) -> None:
        self.calls.append(("stop", stopped))


def _dotted(parameters: Any, name: str) -> Any:
    for part in name.split("."):
        parameters = getattr(parameters, part)
    return parameters
