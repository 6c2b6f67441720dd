"""Real-time set-up of a process, each step optional and reported: priority, cores, memory, garbage collector."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable

from gpc_ros.config import Parameters, parameter

_MCL_CURRENT, _MCL_FUTURE = 1, 2
_HOW = {
    "priority": "sudo setcap, or add '@realtime - rtprio 99' to /etc/security/limits.conf and log in again",
    "memory": "add '@realtime - memlock unlimited' to /etc/security/limits.conf and log in again",
}


class RealtimeParameters(Parameters):
    """What a process asks of the operating system."""

    priority: int = parameter(40, "SCHED_FIFO priority of all threads; 0: leave the scheduler alone", read_only=True, ge=0, le=90)
    cores: list[int] = parameter([], "cores to run on; empty: any", read_only=True)
    lock_memory: bool = parameter(True, "keep all memory resident (mlockall)", read_only=True)
    freeze_gc: bool = parameter(True, "no garbage collection in the loop", read_only=True)


def set_up(parameters: RealtimeParameters, report: Callable[[str], None]) -> None:
    """Do what ``parameters`` ask for; one line to ``report`` for each step, also for one that is not permitted."""
    sys.setswitchinterval(1e-4)  # a helper thread must not keep the loop from the interpreter for 5 ms
    if parameters.cores:
        _step("cores", f"{parameters.cores}", lambda: os.sched_setaffinity(0, parameters.cores), report)
    if parameters.priority:
        _step("priority", f"SCHED_FIFO {parameters.priority}", lambda: _fifo(parameters.priority), report)
    if parameters.lock_memory:
        _step("memory", "locked", _lock_memory, report)
    if parameters.freeze_gc:
        gc.collect()
        gc.freeze()
        gc.disable()
        report("real time: garbage collector off")


def be_nice(report: Callable[[str], None]) -> None:
    """Give way to the loop: for processes that compute a lot."""
    sys.setswitchinterval(1e-4)
    os.nice(5)
    report("real time: nice 5, gives way to the loop")


def _step(name: str, what: str, act: Callable[[], None], report: Callable[[str], None]) -> None:
    try:
        act()
    except OSError as error:
        how = f" To permit it: {_HOW[name]}." if name in _HOW else ""
        report(f"real time: {name} ({what}) refused: {error.strerror}; going on without.{how}")
    else:
        report(f"real time: {name} {what}")


def _fifo(priority: int) -> None:
    """All threads of this process: the middleware's receive threads wake the loop."""
    for thread in os.listdir("/proc/self/task"):
        os.sched_setscheduler(int(thread), os.SCHED_FIFO, os.sched_param(priority))


def _lock_memory() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
