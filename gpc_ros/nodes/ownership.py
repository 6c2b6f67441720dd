"""One publisher to a topic that moves the robot: told apart by gid, the second is ignored and named."""

from __future__ import annotations

import time
from typing import Any

_GRAPH_AGE_S = 0.2  # the graph is slow to ask


class Ownership:
    """``topic`` belongs to the publisher of the first message, until that one has left the graph."""

    def __init__(self, shell: Any, topic: str) -> None:
        self._shell = shell
        self._topic = topic
        self._owner: bytes | None = None
        self._names: dict[bytes, str] = {}
        self._asked = -_GRAPH_AGE_S

    def admits(self, info: Any) -> bool:
        """Whether a message with this ``info`` is from the owner."""
        gid = bytes(info["publisher_gid"]["data"])
        if gid == self._owner:
            return True
        names = self._publishers()
        if self._owner is None or self._owner not in names:
            self._owner = gid
            return True
        self._shell.counts[f"{self._topic}: second publisher"] += 1
        intruder = names.get(gid, "a second publisher")
        self._shell.say("error", f"{self._topic}: ignoring {intruder}; {names[self._owner]} was first", key=self._topic)
        return False

    def _publishers(self) -> dict[bytes, str]:
        """Full node names by gid."""
        if (now := time.monotonic()) - self._asked > _GRAPH_AGE_S:
            self._asked = now
            ends = self._shell.node.get_publishers_info_by_topic(self._topic)
            self._names = {bytes(e.endpoint_gid): f"{e.node_namespace.rstrip('/')}/{e.node_name}" for e in ends}
        return self._names
