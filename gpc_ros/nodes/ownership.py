"""One publisher to a topic that moves the robot: told apart by gid, the second is ignored and named."""

from __future__ import annotations

import time
from typing import Any

_GRAPH_AGE_S = 0.2  # the graph is slow to ask
_SILENCE_S = 0.1  # the graph forgets a killed process only after its lease


class Ownership:
    """``topic`` belongs to the publisher of the first message, until that one is silent or has left the graph."""

    def __init__(self, shell: Any, topic: str) -> None:
        self._shell = shell
        self._topic = topic
        self._owner: bytes | None = None
        self._names: dict[bytes, str] = {}
        self._asked = -_GRAPH_AGE_S
        self._heard = 0.0

    def admits(self, info: Any) -> bool:
        """Whether a message with this ``info`` is from the owner."""
        gid, now = bytes(info["publisher_gid"]["data"]), time.monotonic()
        if gid == self._owner:
            self._heard = now
            return True
        names = self._publishers()
        if self._owner is None or self._owner not in names or now - self._heard > _SILENCE_S:
            self._owner, self._heard = gid, now
            return True
        self._shell.counts[f"{self._topic}: second publisher"] += 1
        intruder = names.get(gid, "a second publisher")
        owner = names.get(self._owner, "another")
        self._shell.say("error", f"{self._topic}: ignoring {intruder}; {owner} was first", key=self._topic)
        return False

    def _publishers(self) -> dict[bytes, str]:
        """Full node names by gid."""
        if (now := time.monotonic()) - self._asked > _GRAPH_AGE_S:
            self._asked = now
            ends = self._shell.node.get_publishers_info_by_topic(self._topic)
            self._names = {bytes(e.endpoint_gid): f"{e.node_namespace.rstrip('/')}/{e.node_name}" for e in ends}
        return self._names
