"""A browser without a screen: speaks with the page as viser's own client does, and remembers what it is told."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import viser
import websockets.sync.client as websocket
import zstandard
from viser import _messages as messages

PATIENCE_S = 60.0  # a guard against hanging


class Browser:
    """Connected to the page at ``address``; one that is ``deaf`` never reads what it is sent."""

    def __init__(self, address: str, *, deaf: bool = False, origin: str = "") -> None:
        self._socket = websocket.connect(
            address.replace("http", "ws"),
            subprotocols=[f"viser-v{viser.__version__}"],  # type: ignore[list-item]
            origin=origin or address,  # type: ignore[arg-type]
            max_size=None,
            compression=None,
            close_timeout=1.0,
        )
        self.gui: dict[str, dict[str, Any]] = {}
        """Properties, and ``value``, of each element by its uuid."""
        self.scene: dict[str, dict[str, Any]] = defaultdict(dict)
        """Position, attitude and properties of each node by its name."""
        self.notices: list[str] = []
        self.received = 0
        self._camera()
        if not deaf:
            self._thread = threading.Thread(target=self._read, daemon=True)
            self._thread.start()

    def _camera(self) -> None:
        """A client counts once it has said where it looks from: here from -y, x to the right."""
        half = float(np.sqrt(0.5))
        self.send(
            messages.ViewerCameraMessage(
                wxyz=(half, -half, 0.0, 0.0),
                position=(0.0, -5.0, 1.0),
                fov=0.8,
                near=0.1,
                far=100.0,
                image_height=600,
                image_width=800,
                look_at=(0.0, 0.0, 1.0),
                up_direction=(0.0, 0.0, 1.0),
            )
        )

    def send(self, message: Any) -> None:
        """Say something."""
        self._socket.send(msgspec.msgpack.encode(message.as_serializable_dict([])))

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

    def _read(self) -> None:
        with contextlib.suppress(Exception):  # the connection has ended
            for data in self._socket:
                assert isinstance(data, bytes)
                size = int.from_bytes(data[8:16], "little")
                inner = zstandard.ZstdDecompressor().decompress(data[16 : 16 + size])
                for message in msgspec.msgpack.decode(inner)["messages"]:
                    self._take(message)
                    self.received += 1

    def _take(self, message: dict[str, Any]) -> None:
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

    def close(self) -> None:
        """Close the window."""
        self._socket.close()
