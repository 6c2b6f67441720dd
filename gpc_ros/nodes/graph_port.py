"""The ROS graph as the page sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.serialization import deserialize_message
from std_msgs.msg import Bool, String

from gpc_ros import spec
from gpc_ros.nodes import pushes
from gpc_ros.nodes.cdr import stamp_of
from gpc_ros.nodes.goals import Goals
from gpc_ros.nodes.latest import Latest
from gpc_ros.nodes.remote import RemoteParameters, Services, ask_plant
from gpc_ros.signals import Array
from gpc_ros.simulation.pushes import Push
from gpc_ros.viz.page.port import PAUSE, RESUME, TROUBLE, Done, News

_PLANS = tuple(topic for topic in spec.NODES["web"].inputs if spec.planner_of(topic))
_DEPTHS = {
    "joint_states": 8,  # and of the commands, so that some of both are of the same tick
    "command": 8,
    "state_estimate": 1,
    "ground_truth": 1,
    "spc/candidates": 1,
    "/diagnostics": 20,
    **dict.fromkeys(_PLANS, 1),
}
_STALE_S = 1.0  # what has not come again for so long is no news
_REMEMBERED = 64  # measurements that a command may still answer


class GraphPort:
    """Reads topics when asked to, sets parameters, calls services. ``news`` is for one thread, all else for any.

    ``shell`` is the node; ``names`` are the parameters of other nodes to keep in step with.
    """

    def __init__(self, shell: Any, names: Mapping[str, Sequence[str]]) -> None:
        self._shell = shell
        self._latest = Latest(shell.node, _DEPTHS)
        self._services = Services(shell.node)
        self._parameters = RemoteParameters(self._services, names)
        self._push = shell.publisher("push")
        self._stop = shell.publisher("controller/stop")
        self._goal: Array | None = None
        self._driver = ""
        self._kept: dict[str, tuple[float, Any]] = {}
        self._asked_ns: dict[int, int] = {}
        self._health: dict[str, dict[str, str]] = {}
        own = shell.node.get_namespace()
        self._reporters = {spec.status_name(node, own): node for node in spec.NODES}
        self.is_open = False
        shell.on_event("controller/active", self._on_active)
        self._goals = Goals(shell, self._on_goal) if shell.task.goal else None

    def open(self) -> None:
        """Begin to listen."""
        self._latest.open()
        self._parameters.poll()
        self.is_open = True

    def close(self) -> None:
        """Listen no more."""
        self.is_open = False
        self._latest.close()

    def poll(self) -> None:
        """Ask for the parameters again; to be called once a second while it is open."""
        self._services.give_up()
        self._parameters.poll()

    def _on_active(self, message: String) -> None:
        self._driver = "" if message.data == "none" else message.data

    def _on_goal(self, goal: Array) -> None:
        self._goal = goal

    def news(self) -> News:
        """What has come since the last time, and the newest from before."""
        codec = self._shell.codec
        latencies_ns = self._latencies()
        self._read_health()
        plan = spec.plan_topic(self._driver)
        return News(
            estimate=self._newest("state_estimate", codec.decode_estimate),
            truth=self._newest("ground_truth", codec.decode_estimate),
            command=self._kept_if_fresh("command"),
            plan=self._newest(plan, lambda data: codec.decode_plan(data, self._driver)) if plan in _PLANS else None,
            candidates=self._newest("spc/candidates", codec.decode_candidates),
            goal=self._goal,
            driver=self._driver,
            latencies_ns=latencies_ns,
            health=self._health,
        )

    def _newest(self, topic: str, decode: Callable[[bytes], Any]) -> Any:
        if taken := self._latest.take(topic):
            self._keep(topic, decode, taken[-1][0])
        return self._kept_if_fresh(topic)

    def _keep(self, topic: str, decode: Callable[[bytes], Any], data: bytes) -> None:
        def keep(data: bytes, info: Any) -> None:
            self._kept[topic] = (time.monotonic(), decode(data))

        self._shell.refusing(topic, keep)(data, None)

    def _kept_if_fresh(self, topic: str) -> Any:
        when, value = self._kept.get(topic, (0.0, None))
        return value if time.monotonic() - when < _STALE_S else None

    def _latencies(self) -> tuple[int, ...]:
        """Times [ns] from the sending of a measurement to that of its command, as the middleware has stamped them."""
        for stamp_ns, sent_ns in self._times("joint_states", self._latest.take("joint_states")):
            self._asked_ns.setdefault(stamp_ns, sent_ns)
        while len(self._asked_ns) > _REMEMBERED:
            del self._asked_ns[next(iter(self._asked_ns))]
        commands = self._latest.take("command")
        if commands:
            self._keep("command", self._shell.codec.decode_command, commands[-1][0])
        sent = [(self._asked_ns.pop(stamp_ns, 0), sent_ns) for stamp_ns, sent_ns in self._times("command", commands)]
        return tuple(answered - asked for asked, answered in sent if 0 < asked <= answered)

    def _times(self, topic: str, messages: Sequence[tuple[bytes, Any]]) -> list[tuple[int, int]]:
        """Stamp [ns] and time of sending [ns] of each."""
        found: list[tuple[int, int]] = []
        read = self._shell.refusing(topic, lambda data, info: found.append((stamp_of(data), info["source_timestamp"])))
        for message in messages:
            read(*message)
        return found

    def _read_health(self) -> None:
        for data, _ in self._latest.take("/diagnostics"):
            for status in deserialize_message(data, DiagnosticArray).status:
                if node := self._reporters.get(status.name):
                    figures = {value.key: value.value for value in status.values}
                    figures[TROUBLE] = "" if status.level == DiagnosticStatus.OK else status.message
                    self._health = {**self._health, node: figures}

    def values(self, node: str) -> Mapping[str, Any] | None:
        """The parameters of ``node`` as they really are; None while there is no such node."""
        return self._parameters.values(node)

    def set_value(self, node: str, name: str, value: Any, done: Done) -> None:
        """Set a parameter; ``done`` is told when it has happened, or why not."""
        self._parameters.set(node, name, value, done)

    def ask_plant(self, what: str, done: Done) -> None:
        """Ask the simulator for one of RESET, PAUSE, RESUME, STEP."""
        if what in (PAUSE, RESUME):
            ask_plant(self._services, PAUSE, done, flag=what == PAUSE)
        else:
            ask_plant(self._services, what, done)

    def push(self, push: Push) -> None:
        """Push a body of the simulated robot."""
        self._push.publish(pushes.encode(push))

    def go_to(self, goal: Array) -> None:
        """Give the task a goal (ng,) [m]."""
        if self._goals is not None:
            self._goals.publish(goal)

    def stop(self, stopped: bool) -> None:
        """Stop, and stay stopped; or drive on."""
        self._stop.publish(Bool(data=stopped))
