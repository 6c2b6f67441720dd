"""A viewer of the page that remembers what it is told, and uses the controls."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from viser import _messages as messages

from gpc_ros.viz.page.viewer import Viewer

PATIENCE_S = 60.0  # a guard against hanging


class Browser(Viewer):
    """Connected to the page at ``address``, see ``Viewer``."""

    def __init__(self, address: str, *, deaf: bool = False, origin: str = "") -> None:
        self.gui: dict[str, dict[str, Any]] = {}
        """Properties, and ``value``, of each element by its uuid."""
        self.scene: dict[str, dict[str, Any]] = defaultdict(dict)
        """Position, attitude and properties of each node by its name."""
        self.notices: list[str] = []
        self.received = 0
        super().__init__(address, deaf=deaf, origin=origin)

    def set(self, label: str, value: Any) -> None:
        """Move the control that is called ``label``, or press its button."""
        self.send(messages.GuiUpdateMessage(self.uuid(label), {"value": value}))

    def uuid(self, label: str) -> str:
        """The element of that name, once it is there."""

        def found() -> list[str]:
            return [uuid for uuid, known in list(self.gui.items()) if known.get("label") == label]

        self.until(found, f"'{label}' on the page, which has {[known.get('label') for known in self.gui.values()]}")
        return found()[0]

    def of(self, label: str) -> dict[str, Any]:
        """What is known of the element of that name."""
        return self.gui[self.uuid(label)]

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait until ``condition()`` is true; its value."""
        end = time.monotonic() + PATIENCE_S
        while not (value := condition()):
            assert time.monotonic() < end, f"waited in vain for {what}"
            time.sleep(0.005)
        return value

    def take(self, message: dict[str, Any]) -> None:
        """Remember it."""
        self.received += 1
        kind = message["type"]
        if kind == "NotificationShowMessage":
            self.notices.append(f"{message['props']['title']}: {message['props']['body']}")
        elif kind == "GuiUpdateMessage":
            self.gui[message["uuid"]].update(message["updates"])
        elif kind == "SceneNodeUpdateMessage":
            self.scene[message["name"]].update(message["updates"])
        elif "uuid" in message and "props" in message:
            self.gui[message["uuid"]] = {"type": kind, "value": message.get("value"), **message["props"]}
        elif "name" in message:
            self.scene[message["name"]].update({k: v for k, v in message.items() if k not in ("type", "name")})
