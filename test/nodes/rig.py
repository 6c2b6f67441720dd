"""One node under test in this process, and a peer that plays the rest of the graph, over real DDS."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from gpc_ros import spec
from gpc_ros.nodes.codec import Codec
from gpc_ros.nodes.loop import Loop
from gpc_ros.nodes.messages import message_class
from gpc_ros.nodes.shell import Shell

PATIENCE_S = 60.0  # a guard against hanging; nothing is measured with it
_rigs: dict[int, list[Rig]] = defaultdict(list)


class Peer:
    """Publishes and hears bytes on topics of the table, calls services; spun by the test itself."""

    def __init__(self, domain: int, name: str = "peer") -> None:
        self.context = Context()
        self._domain = domain
        rclpy.init(args=[], context=self.context, domain_id=domain)
        self.node = Node(name, context=self.context, start_parameter_services=False, enable_rosout=False)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._publishers: dict[str, Any] = {}
        self.heard: dict[str, list[Any]] = defaultdict(list)

    def hear(self, topic: str, *, raw: bool = True, depth: int = 1000) -> None:
        """Collect all messages of ``topic`` in ``heard``; waits for their publisher."""
        entry = spec.TOPICS[topic]
        qos = QoSProfile(depth=depth)
        if entry.qos is spec.Qos.LATCHED:
            qos = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        if entry.qos is spec.Qos.STATE and not self._lockstep:
            qos.reliability = rclpy.qos.ReliabilityPolicy.BEST_EFFORT
        before = self._matched(topic, "writers")
        end = self.node.create_subscription(message_class(entry.message), topic, self.heard[topic].append, qos, raw=raw)
        self.until(lambda: end.get_publisher_count() > 0, f"a publisher of {topic}")
        self.until(lambda: self._matched(topic, "writers") != before or not before, f"{topic} to be connected")

    @property
    def _lockstep(self) -> bool:
        return any(node.shell.value.lockstep for node in _rigs[self._domain])

    def _matched(self, topic: str, ends: str) -> list[int]:
        """How many partners each end of the nodes under test has: both sides must know of each other."""
        return [count for node in _rigs[self._domain] for count in getattr(node, ends)(f"/{topic.lstrip('/')}")]

    def say(self, topic: str, message: Any) -> None:
        """Publish bytes or a message on ``topic``; the first time waits for somebody who listens."""
        if topic not in self._publishers:
            entry = spec.TOPICS[topic]
            qos = QoSProfile(depth=100)
            if entry.qos is spec.Qos.LATCHED or (entry.qos is spec.Qos.STATE and self._lockstep):
                qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
            before = self._matched(topic, "readers")
            self._publishers[topic] = self.node.create_publisher(message_class(entry.message), topic, qos)
            self.until(lambda: self._publishers[topic].get_subscription_count() > 0, f"a subscriber of {topic}")
            self.until(lambda: self._matched(topic, "readers") != before or not before, f"{topic} to be connected")
        self._publishers[topic].publish(message)

    def call(self, kind: Any, service: str, request: Any) -> Any:
        """The response of a service."""
        client = self.node.create_client(kind, service)
        self.until(client.service_is_ready, f"service {service}")
        future = client.call_async(request)
        self.until(future.done, f"an answer of {service}")
        self.node.destroy_client(client)
        return future.result()

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Spin until ``condition()`` is true; its value."""
        end = time.monotonic() + PATIENCE_S
        while not (value := condition()):
            assert time.monotonic() < end, f"waited in vain for {what}"
            self._executor.spin_once(timeout_sec=0.01)
        return value

    def spin(self, times: int = 5) -> None:
        """Hear what has arrived."""
        for _ in range(times):
            self._executor.spin_once(timeout_sec=0.01)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


class Rig:
    """A node of the stack, run as ``gpc_ros.nodes.running`` does but for signals and real-time rights."""

    def __init__(self, shell: type[Shell], domain: int, **parameters: object) -> None:
        self.context = Context()
        given = [part for key, value in parameters.items() for part in ("-p", f"{shell.name}:{key}:={value}")]
        rclpy.init(args=["--ros-args", *given, "--log-level", "FATAL"], context=self.context, domain_id=domain)
        self.loop = Loop(self.context)
        self.reports: list[str] = []
        self.loop.report = self.reports.append
        try:
            self.shell: Any = shell(self.loop, self.context)
        except BaseException:
            rclpy.try_shutdown(context=self.context)
            raise
        self.codec: Codec = self.shell.codec
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.shell.node)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self.said: list[tuple[str, str]] = []
        self._say = self.shell.say
        self.shell.say = self._note
        self.shell.warm_up()
        self.loop.start()
        self.shell.start()
        self._thread.start()
        _rigs[domain].append(self)
        self._domain = domain

    def readers(self, topic: str) -> list[int]:
        """Number of publishers that each subscription to ``topic`` is connected with."""
        return [end.get_publisher_count() for end in self.shell.node.subscriptions if end.topic_name == topic]

    def writers(self, topic: str) -> list[int]:
        """Number of subscriptions that each publisher of ``topic`` is connected with."""
        return [end.get_subscription_count() for end in self.shell.node.publishers if end.topic_name == topic]

    def _spin(self) -> None:
        while not self._closing.is_set():
            self.loop.guard(self._executor.spin_once, 0.02)

    def _note(self, level: str, text: str, *, key: str = "") -> None:
        self.said.append((level, text))
        self._say(level, text, key=key)

    def close(self) -> None:
        """End in the order of ``running``."""
        _rigs[self._domain].remove(self)
        self._closing.set()
        self._thread.join(PATIENCE_S)
        self.loop.stop()
        self.shell.close()
        self._executor.shutdown(timeout_sec=1.0)
        self.shell.node.destroy_node()
        rclpy.try_shutdown(context=self.context)
