"""A recording on ROS topics again: where it may be played, and by which publishers."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions

from gpc_ros import spec
from gpc_ros.errors import GpcError
from gpc_ros.nodes import network
from gpc_ros.nodes.messages import message_class
from gpc_ros.recording.reader import Channel, Message

ACTING = ("command", "push", "goal_pose", "controller/stop")
"""Topics that move a robot."""

_DISCOVERY_S = 0.6
_NAMING_S = 3.0
_NAMELESS = "_NODE_NAME_UNKNOWN_"  # what rmw says of an end whose node it has not heard of yet
_MATCHING_S = 1.0
_TOOLS = ("_ros2cli", "gpc_up", "rviz", "foxglove", "plotjuggler", "rqt")  # begins of names of nodes that only look


class Stage:
    """Publishers of recorded topics, in a domain where no stack runs.

    Args:
        names: topics as ``spec.TOPICS`` has them, by the channel they were recorded on.
        meant: topics that are to be played whoever listens.
        namespace: of the recorded stack.

    Raises:
        GpcError: if a stack runs here, somebody else publishes a topic or may be moved by it, or a message type is
            not installed.
    """

    def __init__(self, names: Mapping[Channel, str], *, meant: Collection[str], namespace: str) -> None:
        kinds = {channel: _class(channel) for channel in names}
        network.close_unless_told()
        for name in ("gpc up", *(f"{namespace.rstrip('/')}/{node}" for node in spec.CONTROL)):
            network.claim(name)
        self._context = Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node("replay", context=self._context, start_parameter_services=False, enable_rosout=False)
        try:
            network.check_closed()
            self._look_around(names, meant)
            self._publishers = {
                channel: self._node.create_publisher(kinds[channel], channel.topic, _qos(name))
                for channel, name in names.items()
            }
            self._wait_for_listeners()
        except BaseException:
            self.close()
            raise

    def publish(self, message: Message) -> None:
        """Publish a message of the recording."""
        self._publishers[message.channel].publish(message.data)

    def close(self) -> None:
        """Leave the graph."""
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _look_around(self, names: Mapping[Channel, str], meant: Collection[str]) -> None:
        """Refuse to mix with other publishers, and to move a robot unasked."""
        time.sleep(_DISCOVERY_S)
        self._wait_for_names(names)
        for channel, name in names.items():
            writers = self._others(self._node.get_publishers_info_by_topic(channel.topic))
            if writers and name != "diagnostics":
                raise GpcError(
                    f"{writers[0]} publishes {channel.topic}, a replay would mix with it: stop it, or set another "
                    "ROS_DOMAIN_ID"
                )
            readers = self._others(self._node.get_subscriptions_info_by_topic(channel.topic))
            if readers and name in ACTING and name not in meant:
                raise GpcError(
                    f"{readers[0]} listens to {channel.topic} and may move: stop it, set another ROS_DOMAIN_ID, or "
                    f"name the topics to play with --topics, {name} among them if that is meant"
                )

    def _wait_for_names(self, channels: Collection[Channel]) -> None:
        """An end is seen before the name of its node, by which those that only watch are told from others."""
        end = time.monotonic() + _NAMING_S
        while time.monotonic() < end and any(
            found.node_name == _NAMELESS
            for channel in channels
            for ask in (self._node.get_publishers_info_by_topic, self._node.get_subscriptions_info_by_topic)
            for found in ask(channel.topic)
        ):
            time.sleep(0.02)

    @staticmethod
    def _others(ends: Any) -> list[str]:
        """Full names of the nodes that have these ends, but for those that only watch."""
        return [
            f"{end.node_namespace.rstrip('/')}/{end.node_name}"
            for end in ends
            if end.node_name not in spec.OBSERVERS and not end.node_name.startswith(_TOOLS)
        ]

    def _wait_for_listeners(self) -> None:
        """Until those who listen already are connected, so that they hear the first message too."""
        end = time.monotonic() + _MATCHING_S
        while time.monotonic() < end and any(
            publisher.get_subscription_count() < self._node.count_subscribers(publisher.topic_name)
            for publisher in self._publishers.values()
        ):
            time.sleep(0.01)


def _class(channel: Channel) -> type:
    try:
        found: type = message_class(channel.kind)
    except (ImportError, AttributeError):
        raise GpcError(
            f"{channel.topic}: messages of type {channel.kind or 'unknown'} are not installed; leave it out by --topics"
        ) from None
    return found


def _qos(name: str) -> QoSProfile:
    """Reliable, which best effort listeners hear too."""
    entry = spec.TOPICS.get(name) or spec.TOPICS.get(f"/{name}")
    if entry is not None and entry.qos is spec.Qos.LATCHED:
        return QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    return QoSProfile(depth=100)
