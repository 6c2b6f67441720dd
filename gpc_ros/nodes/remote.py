"""Services of other nodes, asked without waiting for the answer: parameters, and what a plant can be asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.parameter import Parameter, parameter_value_to_python
from std_srvs.srv import SetBool, Trigger

_PATIENCE_S = 35.0  # longer than the longest change of planner
Done = Callable[[str], None]


class Services:
    """Asks services of other nodes. ``done`` is told why not, or an empty text; from the executor's thread."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._waiting: dict[Any, tuple[float, Any, Done]] = {}  # by future: since when, client, whom to tell

    def ready(self, kind: Any, name: str) -> bool:
        """Whether somebody serves ``name``."""
        return self._client(kind, name).service_is_ready()

    def ask(self, kind: Any, name: str, request: Any, *, answer: Callable[[Any], str], done: Done) -> None:
        """Send ``request``; ``answer`` makes the outcome for ``done`` of the response."""
        client = self._client(kind, name)
        if not client.service_is_ready():
            done(f"nobody serves {name}")
            return
        future = client.call_async(request)
        with self._lock:
            self._waiting[future] = (time.monotonic(), client, done)
        future.add_done_callback(lambda found: self._answered(found, answer))

    def _answered(self, future: Any, answer: Callable[[Any], str]) -> None:
        with self._lock:
            waiting = self._waiting.pop(future, None)
        if waiting is not None:
            waiting[2](answer(future.result()))

    def give_up(self) -> None:
        """Tell of requests that will not be answered: the server has gone, or takes too long. To be called often."""
        now = time.monotonic()
        with self._lock:
            lost = [
                (future, *entry)
                for future, entry in self._waiting.items()
                if now - entry[0] > _PATIENCE_S or not entry[1].service_is_ready()
            ]
            for future, *_ in lost:
                del self._waiting[future]
        for future, _, client, done in lost:
            client.remove_pending_request(future)
            done(f"no answer of {client.srv_name}")

    def _client(self, kind: Any, name: str) -> Any:
        with self._lock:
            if name not in self._clients:
                self._clients[name] = self._node.create_client(kind, name)
            return self._clients[name]


class RemoteParameters:
    """Parameters of other nodes as they last said; ``names`` of each that matter."""

    def __init__(self, services: Services, names: Mapping[str, Sequence[str]]) -> None:
        self._services = services
        self._names = names
        self._values: dict[str, dict[str, Any] | None] = dict.fromkeys(names)

    def values(self, node: str) -> dict[str, Any] | None:
        """What ``node`` has, by name; None if it is not there or has not said yet."""
        return self._values.get(node)

    def poll(self) -> None:
        """Ask every node anew."""
        for node, names in self._names.items():
            if self._services.ready(GetParameters, f"{node}/get_parameters"):
                self._read(node, names)
            else:
                self._values[node] = None

    def _read(self, node: str, names: Sequence[str]) -> None:
        def answer(response: Any) -> str:
            values = map(parameter_value_to_python, response.values)
            self._values[node] = dict(zip(names, values, strict=False))
            return ""

        request = GetParameters.Request(names=list(names))
        self._services.ask(GetParameters, f"{node}/get_parameters", request, answer=answer, done=lambda reason: None)

    def set(self, node: str, name: str, value: Any, done: Done) -> None:
        """Set one; ``done`` is told the reason of a refusal."""

        def answer(response: Any) -> str:
            result = response.results[0]
            if result.successful and (known := self._values.get(node)) is not None:
                self._values[node] = {**known, name: value}
            return "" if result.successful else result.reason or "refused"

        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        self._services.ask(SetParameters, f"{node}/set_parameters", request, answer=answer, done=done)


def ask_plant(services: Services, verb: str, done: Done, *, flag: bool | None = None) -> None:
    """Ask the service ``simulator/<verb>``, with a flag where it takes one."""
    kind: Any = Trigger if flag is None else SetBool
    request = kind.Request() if flag is None else kind.Request(data=flag)
    services.ask(
        kind, f"simulator/{verb}", request, answer=lambda r: "" if r.success else r.message or "refused", done=done
    )
