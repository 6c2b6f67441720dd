"""A change of planner by parameter: accepted once the new planner has given a plan, refused with the reason else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gpc_ros.control.executive import Executive, check_planner
from gpc_ros.errors import GpcError

_GRACE_S = 0.5  # beyond the executive's own time-out, which ticks only while estimates come


class Switch:
    """Checks parameters of the controller, in the thread of the parameter service, while the loop drives on."""

    def __init__(self, shell: Any, executive: Executive, now: Callable[[], int], tell: Callable[[], None]) -> None:
        self._shell = shell
        self._executive = executive
        self._now = now
        self._tell = tell

    def check(self, parameters: Any) -> None:
        """Refuse unknown planners; have a new one asked for a plan, and wait for it.

        Raises:
            UnknownName: no such planner; lists the valid ones.
            GpcError: no plan came in time; the old planner drives on.
        """
        for name, what in ((parameters.planner, "planner"), (parameters.fallback, "fallback")):
            if name:
                check_planner(name, what)
        if parameters.planner != self._executive.active:
            self._change(parameters.planner)

    def _change(self, planner: str) -> None:
        executive = self._executive
        executive.refusal = ""
        self._shell.loop.post(lambda: executive.request(planner, self._now()))
        patience_s, stamp_ns, end = executive.parameters.switch_timeout_s + _GRACE_S, None, 0.0
        while not self._shell.ending.is_set():
            if executive.stamp_ns != stamp_ns:
                stamp_ns, end = executive.stamp_ns, time.monotonic() + patience_s
            elif time.monotonic() > end:
                break
            time.sleep(0.005)
            self._tell()  # the new planner begins to plan when it reads that it is wanted
            if executive.active == planner:
                return
            if executive.refusal:
                raise GpcError(executive.refusal)
        self._shell.loop.post(executive.cancel_request)
        raise GpcError(f"no estimate to switch on; '{executive.active}' stays")
