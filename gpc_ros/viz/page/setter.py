"""Sets a parameter as fast as the node takes it and no faster: of values that come meanwhile, the last counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from gpc_ros.viz.page.port import Done, Port

_NOTHING = object()


class Setter:
    """For one parameter. ``refused(reason)`` is told of every refusal."""

    def __init__(self, port: Port, node: str, name: str) -> None:
        self._port = port
        self._place = (node, name)
        self._lock = threading.Lock()
        self._next: Any = _NOTHING
        self._refused: Done = lambda reason: None
        self.busy = False
        """Whether a value is on its way: what the node has is then not what it will have."""

    def set(self, value: Any, refused: Callable[[str], None]) -> None:
        """Set ``value``, at once or after the one that is on its way."""
        with self._lock:
            self._refused = refused
            if self.busy:
                self._next = value
                return
            self.busy = True
        self._port.set_value(*self._place, value, self._done)

    def _done(self, reason: str) -> None:
        with self._lock:
            value, self._next = self._next, _NOTHING
            self.busy = value is not _NOTHING
            refused = self._refused
        if value is not _NOTHING:
            self._port.set_value(*self._place, value, self._done)
        elif reason:
            refused(reason)
