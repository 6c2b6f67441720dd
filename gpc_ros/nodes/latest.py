"""The newest message of a topic, taken when somebody wants it: no wake-up for those in between."""

from __future__ import annotations

from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy

from gpc_ros import spec
from gpc_ros.nodes.loop import Quiet
from gpc_ros.nodes.messages import message_class


class Latest:
    """Subscriptions that wait in the middleware until they are read, at the reader's own pace.

    They are best effort, whatever the topic is, so that a reader who is slow or stops holds up no writer. While
    closed they do not exist, and who publishes only for listeners is at rest.
    """

    def __init__(self, node: Any, depths: dict[str, int]) -> None:
        self._node = node
        self._depths = depths
        self._open: dict[str, Any] = {}

    def open(self) -> None:
        """Subscribe."""
        for topic, depth in self._depths.items():
            qos = QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)
            kind = message_class(spec.TOPICS[topic].message)
            self._open[topic] = self._node.create_subscription(
                kind, topic, _unused, qos, raw=True, callback_group=Quiet()
            )

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._open.values():
            self._node.destroy_subscription(subscription)
        self._open.clear()

    def take(self, topic: str) -> list[tuple[bytes, Any]]:
        """Bytes and info of what has come on ``topic`` since the last time, at most ``depth`` of them, newest last."""
        found: list[tuple[bytes, Any]] = []
        if (subscription := self._open.get(topic)) is None:
            return found
        with subscription.handle:
            for _ in range(self._depths[topic]):
                if (taken := subscription.handle.take_message(subscription.msg_type, True)) is None:
                    break
                found.append(taken)
        return found


def _unused(message: Any) -> None:
    """Stands in for a callback: these subscriptions are read."""
