"""The parameters of all nodes of a stack: asked for when a node appears, and heard of when they change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rcl_interfaces.msg import ParameterEvent
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python

from gpc_ros import config, spec
from gpc_ros.node_parameters import PARAMETERS

_LOOK_S = 0.5

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
        self._asked: set[str] = set()
        self._timer = shell.node.create_timer(_LOOK_S, self._look)

    def hear(self, event: ParameterEvent) -> None:
        """Take in a message of /parameter_events."""
        namespace, _, node = event.node.rpartition("/")
        if node in self._asked and namespace == self._shell.node.get_namespace().rstrip("/"):
            changed = (*event.new_parameters, *event.changed_parameters)
            self._say(node, self._now_ns(), {each.name: each.value for each in changed})

    def _look(self) -> None:
        """Ask those that are there and have not been asked."""
        for node, client in self._clients.items():
            if node not in self._asked and client.service_is_ready():
                self._asked.add(node)
                future = client.call_async(GetParameters.Request(names=self._names[node]))
                future.add_done_callback(partial(self._answer, node, self._now_ns()))
        if len(self._asked) == len(self._clients):
            self._timer.cancel()

    def _answer(self, node: str, asked_ns: int, future: Any) -> None:
        self._say(node, asked_ns, dict(zip(self._names[node], future.result().values, strict=False)))
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
