"""What every node does around its class: parameters, the loop, topics from the table, diagnostics, an orderly end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from gpc_ros import registry, spec
from gpc_ros.errors import InvalidSignal
from gpc_ros.node_parameters import PARAMETERS
from gpc_ros.nodes.codec import Codec
from gpc_ros.nodes.loop import Loop
from gpc_ros.nodes.messages import message_class
from gpc_ros.nodes.parameters import NodeParameters
from gpc_ros.spec import Qos
from gpc_ros.statistics import Counts
from gpc_ros.tasks.base import Task

_LOG_AGAIN_S = 1.0
_KEPT_FOR_LATE = 1000
_HEARD_OUT_S = 1.0


class Shell:
    """Base of the nodes. A subclass connects its class in ``__init__``, and adds figures, an end, a summary."""

    name: ClassVar[str]

    def __init__(self, loop: Loop, context: Any) -> None:
        self.loop = loop
        self.node = Node(self.name, context=context, allow_undeclared_parameters=True)  # NodeParameters refuses
        first = self.node.get_parameter_or("robot").value
        if first is None:
            override = self.node._parameter_overrides.get("robot")  # noqa: SLF001 - the tables depend on it
            first = override.value if override else PARAMETERS[self.name].model_fields["robot"].default
        self.task: Task = registry.load("tasks", first, Task)()
        tables = {"running_weights": self.task.running_weights, "terminal_weights": self.task.terminal_weights}
        self.parameters: NodeParameters[Any] = NodeParameters(self.node, PARAMETERS[self.name], tables=tables)
        self.codec = Codec(self.task.model)
        self.counts = Counts()
        self.finished = threading.Event()
        self.ending = threading.Event()
        self._logged: dict[str, float] = {}
        self._diagnostics = self.publisher("/diagnostics")
        self.node.create_timer(1.0, self._diagnose)

    @property
    def value(self) -> Any:
        """The present parameters."""
        return self.parameters.value

    def figures(self) -> Mapping[str, object]:
        """What the node says of itself in /diagnostics, once a second."""
        return {}

    def trouble(self) -> str:
        """What is not as it should be, for the level of /diagnostics; an empty text when all is well."""
        return ""

    def summary(self) -> Mapping[str, object]:
        """What the node reports at the end of a run."""
        return {}

    def warm_up(self) -> None:
        """Do once, before the loop, what the loop will do: first calls are slow."""

    def start(self) -> None:
        """Begin work beside the loop."""

    def close(self) -> None:
        """Last words, with the loop at rest and the middleware still alive."""

    def be_heard_out(self) -> None:
        """In lock-step, where nothing may be missing: wait a moment for those who have not heard the last words yet."""
        end = time.monotonic() + _HEARD_OUT_S
        for publisher in self.node.publishers if self.value.lockstep else ():
            publisher.wait_for_all_acked(Duration(seconds=max(end - time.monotonic(), 0.0)))

    def publisher(self, topic: str, *, joint: str = "") -> Any:
        """A publisher on a topic of the table; on that of free joint ``joint`` where each has one."""
        entry = spec.TOPICS[topic]
        qos = self._qos(entry.qos)
        if entry.qos is Qos.STATE and self.value.lockstep:  # a recorder that comes late hears the first tick, too
            qos = QoSProfile(depth=_KEPT_FOR_LATE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        return self.node.create_publisher(message_class(entry.message), entry.of(joint), qos)

    def on_data(self, topic: str, callback: Callable[[bytes, Any], None], *, joint: str = "") -> None:
        """Have the loop call ``callback`` with each message of ``topic``; bad ones are counted and named."""
        entry = spec.TOPICS[topic]
        name = entry.of(joint)
        guarded = self.refusing(name, callback)
        self.loop.subscribe(self.node, message_class(entry.message), name, self._qos(entry.qos), guarded)

    def refusing(self, topic: str, callback: Callable[[bytes, Any], None]) -> Callable[[bytes, Any], None]:
        """``callback``, with an InvalidSignal that it raises counted and named instead."""

        def guarded(data: bytes, info: Any) -> None:
            try:
                callback(data, info)
            except InvalidSignal as error:
                self.counts[f"{topic}: {error.reason}"] += 1
                self.say("warn", f"{topic} refused: {error}", key=f"{topic}{error.reason}")

        guarded.__qualname__ = getattr(callback, "__qualname__", topic)
        return guarded

    def on_event(self, topic: str, callback: Callable[[Any], None], *, latched: bool = True) -> None:
        """Have ``callback`` called with each message of a rare topic, outside the loop."""
        entry = spec.TOPICS[topic]
        qos = self._qos(entry.qos if latched else Qos.EVENT)
        self.node.create_subscription(message_class(entry.message), topic, callback, qos)

    def say(self, level: str, text: str, *, key: str = "") -> None:
        """Log a line; lines of the same ``key`` at most once a second."""
        now = time.monotonic()
        if now - self._logged.get(key or text, -_LOG_AGAIN_S) >= _LOG_AGAIN_S:
            if len(self._logged) > 1000:
                self._logged.clear()
            self._logged[key or text] = now
            logger = self.node.get_logger()
            if level == "error":  # rclpy wants each place in the code to keep to one severity
                logger.error(text)
            elif level == "warn":
                logger.warning(text)
            else:
                logger.info(text)

    def _qos(self, kind: Qos) -> QoSProfile:
        if kind is Qos.LATCHED:
            return QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        if kind is Qos.EVENT:
            return QoSProfile(depth=10)
        if self.value.lockstep:
            return QoSProfile(depth=8)
        return QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)

    def _diagnose(self) -> None:
        values = {**self.figures(), "events": self.counts.text(), "exceptions": self.loop.counts.text()}
        trouble = "exceptions in callbacks" if self.loop.counts else self.trouble()
        status = DiagnosticStatus(
            level=DiagnosticStatus.WARN if trouble else DiagnosticStatus.OK,
            name=spec.status_name(self.name, self.node.get_namespace()),
            message=trouble or "running",
            hardware_id=self.task.name,
            values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.node.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
