"""A process that is to be heard on a busy machine, without real-time rights."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from gpc_ros.nodes.realtime import _AUTOGROUP, _step


def set_up(value: int, report: Callable[[str], None]) -> None:
    """Give the whole process the niceness ``value``; one line to ``report``, also where that is not permitted."""

    def act() -> None:
        for thread in os.listdir("/proc/self/task"):
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.setpriority(os.PRIO_PROCESS, int(thread), value)
        if os.path.exists(_AUTOGROUP):  # where sessions share the processor among them, niceness counts only inside one
            with open(_AUTOGROUP, "w") as group:
                group.write(str(value))

    _step("niceness", f"{value}", act, report)
