"""The thread in which a planner plans in real time, beside the loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from gpc_ros.clock import Deadline
from gpc_ros.nodes import realtime
from gpc_ros.signals import NS_PER_S

_LONGEST_GOODBYE_S = 0.5


class PlannerThread:
    """Hands the newest estimate to ``plan`` at each deadline of ``plan_rate_hz``, if one has come since the last.

    A late plan skips deadlines, it does not queue them.
    """

    def __init__(self, shell: Any, plan: Callable[[bytes, Any], None]) -> None:
        self._shell = shell
        self._plan = shell.refusing("state_estimate", plan)
        self._latest: bytes | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="planner", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def put(self, estimate: bytes) -> None:
        """An estimate in place of those before; it is decoded when the planner gets to it."""
        self._latest = estimate

    def close(self) -> None:
        """End, once the present plan is made or after a moment."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(_LONGEST_GOODBYE_S)

    def _work(self) -> None:
        shell = self._shell
        realtime.set_up_planner(shell.value.realtime, shell.node.get_logger().info)
        deadline = Deadline(self._period_ns)
        while not self._closing.is_set():
            deadline.wait()
            deadline.period_ns = self._period_ns
            data, self._latest = self._latest, None
            if data is not None and shell.asked:
                shell.loop.guard(self._plan, data, None)

    @property
    def _period_ns(self) -> int:
        return round(NS_PER_S / self._shell.value.plan_rate_hz)
