"""One topic as bytes, all of them: a deep queue on the reader's side, duplicates told apart, losses counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from gpc_ros.nodes.loop import Quiet
from gpc_ros.spec import Qos
from gpc_ros.statistics import Counts

_REMEMBERED = 256  # of rare messages that may come twice


class Tap:
    """Takes what the middleware has collected since the last time; nobody is woken by a message.

    Latched topics have two ends: one is given what was said before, the other hears who offers no latched messages,
    as RViz's goal tool.

    Args:
        node: whose subscriptions they are.
        message: class of the messages.
        topic: relative to the node's namespace.
        qos: how the topic is carried; ``STATE`` without demanding that what is lost is sent again.
        lockstep: then ``STATE`` demands it, and what was sent before, for nothing may be missing.
        depth: messages that the middleware keeps between two calls of ``drain``.
        lost: counts by topic what the publishers have sent and did not arrive.
    """

    def __init__(
        self, node: Any, message: type, topic: str, qos: Qos, *, depth: int, lost: Counts, lockstep: bool = False
    ) -> None:
        profile = QoSProfile(depth=depth)
        if qos is Qos.STATE and lockstep:
            profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
        elif qos is Qos.STATE:
            profile.reliability = ReliabilityPolicy.BEST_EFFORT
        profiles = [profile]
        if qos is Qos.LATCHED:
            profiles.insert(0, QoSProfile(depth=depth, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        self._ends = [
            node.create_subscription(message, topic, _unused, each, raw=True, callback_group=Quiet())
            for each in profiles
        ]
        self.topic: str = self._ends[0].topic_name
        self._lost = lost
        self._last: dict[bytes, int] = {}  # by publisher: the count of its last message
        self._seen: deque[tuple[bytes, int]] = deque(maxlen=_REMEMBERED)

    def drain(self, take: Callable[[bytes, Any], None]) -> None:
        """Call ``take(bytes, info)`` with each new message."""
        for end in self._ends:
            with end.handle:
                while (taken := end.handle.take_message(end.msg_type, True)) is not None:
                    if self._new(taken[1]):
                        take(*taken)

    def _new(self, info: Any) -> bool:
        """Count the messages missing before this one; whether it has not come by the other end."""
        publisher, count = bytes(info["publisher_gid"]["data"]), info["publication_sequence_number"]
        if count is None:  # a middleware that does not count
            return True
        if len(self._ends) > 1:
            if (publisher, count) in self._seen:
                return False
            self._seen.append((publisher, count))
        else:
            self._lost[self.topic] += max(count - self._last.get(publisher, count - 1) - 1, 0)
        self._last[publisher] = count
        return True


def _unused(message: Any) -> None:
    """Stands in for a callback: messages are taken by ``drain``."""
