"""A browser without a screen: connects to the page as viser's own client does, and is told what that is told."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import msgspec
import websockets.sync.client as websocket
import zstandard
from viser import _messages as messages
from websockets.typing import Origin, Subprotocol

from gpc_ros.viz.page.extra import viser

_SIZE = slice(8, 16)
_BODY = 16
_HALF = 0.5**0.5
_CAMERA: dict[str, Any] = {
    "wxyz": (_HALF, -_HALF, 0.0, 0.0),  # from -y, x to the right
    "position": (0.0, -5.0, 1.0),
    "fov": 0.8,
    "near": 0.1,
    "far": 100.0,
    "image_height": 600,
    "image_width": 800,
    "look_at": (0.0, 0.0, 1.0),
    "up_direction": (0.0, 0.0, 1.0),
}


class Viewer:
    """Looks at the page at ``address``.

    Args:
        address: as in ``http://127.0.0.1:8080``.
        deaf: never read what it is sent.
        origin: the page that it claims to come from; empty: the page itself.

    Attributes:
        frames: how often the robot has moved.
    """

    def __init__(self, address: str, *, deaf: bool = False, origin: str = "") -> None:
        self.frames = 0
        self._socket = websocket.connect(
            address.replace("http", "ws"),
            subprotocols=[Subprotocol(f"viser-v{viser.__version__}")],
            origin=Origin(origin or address),
            max_size=None,
            compression=None,
            close_timeout=1.0,
        )
        self.send(messages.ViewerCameraMessage(**_CAMERA))  # a client counts once it has said where it looks from
        if not deaf:
            threading.Thread(target=self._read, daemon=True).start()

    def send(self, message: Any) -> None:
        """Say something."""
        self._socket.send(msgspec.msgpack.encode(message.as_serializable_dict([])))

    def take(self, message: dict[str, Any]) -> None:
        """What to do with each message; here nothing."""

    def close(self) -> None:
        """Close the window."""
        self._socket.close()

    def _read(self) -> None:
        with contextlib.suppress(Exception):  # the connection has ended
            for data in self._socket:
                assert isinstance(data, bytes)  # viser speaks no text
                size = int.from_bytes(data[_SIZE], "little")
                inner = zstandard.ZstdDecompressor().decompress(data[_BODY : _BODY + size])
                told = msgspec.msgpack.decode(inner)["messages"]
                self.frames += any(message["type"] == "SetPositionMessage" for message in told)
                for message in told:
                    self.take(message)
