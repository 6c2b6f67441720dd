"""The parameters of all nodes of a stack: asked for when a node appears, and heard of when they change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rcl_interfaces.msg import ParameterEvent, ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python

from gpc_ros import config, spec
from gpc_ros.node_parameters import PARAMETERS
from gpc_ros.signals import NS_PER_S

_LOOK_S = 0.5
_PATIENCE_NS = 3 * NS_PER_S
_NOT_SET = ParameterType.PARAMETER_NOT_SET

Tell = Callable[[str, int, Mapping[str, Any]], None]
"""Takes a node's name, a time [ns], and values by parameter name."""


class ParameterSurvey:
    """Tells the parameters of each node that controls, as they were at a time, and then every change."""

    def __init__(self, shell: Any, tell: Tell) -> None:
        self._shell = shell
        self._tell = tell
        tables = {"running_weights": shell.task.running_weights, "terminal_weights": shell.task.terminal_weights}
        self._names = {name: _names(name, tables) for name in spec.CONTROL}
        self._clients = {
            name: shell.node.create_client(GetParameters, f"{name}/get_parameters") for name in spec.CONTROL
        }
        self._asked_ns: dict[str, int] = {}
        self._changes: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}  # heard of since a node was asked first
        self._known: dict[str, int] = {}  # when they were asked for what they told
        self._timer = shell.node.create_timer(_LOOK_S, self._look)

    @property
    def known(self) -> set[str]:
        """The nodes that have told theirs."""
        return set(self._known)

    def hear(self, event: ParameterEvent) -> None:
        """Take in a message of /parameter_events."""
        namespace, _, node = event.node.rpartition("/")
        if node in spec.CONTROL and namespace == self._shell.node.get_namespace().rstrip("/"):
            time_ns = event.stamp.sec * NS_PER_S + event.stamp.nanosec
            values = {each.name: each.value for each in (*event.new_parameters, *event.changed_parameters)}
            if time_ns > self._known.get(node, time_ns):
                self._say(node, time_ns, values)
            elif node in self._changes:
                self._changes[node].append((time_ns, values))

    def _look(self) -> None:
        """Ask those that are there and have not told all; an answer may be lost on its way."""
        now_ns = self._now_ns()
        for node, client in self._clients.items():
            waiting = now_ns - self._asked_ns.get(node, 0) < _PATIENCE_NS
            if node not in self._known and not waiting and client.service_is_ready():
                self._asked_ns[node] = now_ns
                self._changes.setdefault(node, [])
                future = client.call_async(GetParameters.Request(names=self._names[node]))
                future.add_done_callback(partial(self._answer, node, now_ns))
        if len(self._known) == len(self._clients):
            self._timer.cancel()

    def _answer(self, node: str, asked_ns: int, future: Any) -> None:
        if node in self._known or (response := future.result()) is None:
            return
        values = response.values
        if len(values) < len(self._names[node]) or any(value.type == _NOT_SET for value in values):
            self._asked_ns.pop(node, None)  # it is still declaring them: asked again at once
            return
        self._known[node] = asked_ns
        self._say(node, asked_ns, dict(zip(self._names[node], values, strict=True)))
        for time_ns, changed in self._changes.pop(node):
            if time_ns > asked_ns:
                self._say(node, time_ns, changed)
        self._shell.node.destroy_client(self._clients[node])

    def _say(self, node: str, time_ns: int, given: Mapping[str, Any]) -> None:
        values = {name: parameter_value_to_python(given[name]) for name in self._names[node] if name in given}
        if told := {name: _plain(value) for name, value in values.items() if value is not None}:
            self._tell(node, time_ns, told)

    def _now_ns(self) -> int:
        return int(self._shell.node.get_clock().now().nanoseconds)


def _names(node: str, tables: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Names of the parameters of ``node``; a table has one for each of its keys."""
    found = []
    for name in config.valid_names(PARAMETERS[node]):
        found += [f"{name}.{key}" for key in tables[name]] if name in tables else [name]
    return found


def _plain(value: Any) -> Any:
    """``value`` as JSON has it."""
    return value if isinstance(value, bool | int | float | str) else list(value)
