"""Real-time set-up of a process, each step optional and reported: priority, cores, memory, garbage collector."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from gpc_ros.node_parameters import RealtimeParameters

_MCL_CURRENT, _MCL_FUTURE = 1, 2
_AUTOGROUP = "/proc/self/autogroup"
_HOW = {
    "priority": "add '@realtime - rtprio 99' to /etc/security/limits.conf and log in again",
    "niceness": "add '@realtime - nice -20' to /etc/security/limits.conf and log in again",
    "memory": "add '@realtime - memlock unlimited' to /etc/security/limits.conf and log in again",
}


def set_up(parameters: RealtimeParameters, report: Callable[[str], None]) -> None:
    """Do what ``parameters`` ask for; one line to ``report`` for each step, also for one that is not permitted.

    To be called in the thread of the loop: it and the middleware's receive threads, which wake it, get the priority.
    """
    sys.setswitchinterval(1e-4)  # a helper thread must not keep the loop from the interpreter for 5 ms
    if parameters.cores:
        _step("cores", f"{parameters.cores}", lambda: _pin(parameters.cores), report)
    if parameters.priority:
        _step(
            "priority", f"SCHED_FIFO {parameters.priority}", lambda: _fifo(_loop_threads(), parameters.priority), report
        )
        # the main thread shares the interpreter lock: were it put aside while holding it, the loop would wait for it
        _step(
            "priority",
            "of parameters and services",
            lambda: _fifo([os.getpid()], max(1, parameters.priority // 2)),
            report,
        )
    if parameters.lock_memory:
        _step("memory", "locked", _lock_memory, report)
    if parameters.freeze_gc:
        gc.collect()
        gc.freeze()
        gc.disable()
        report("real time: garbage collector off")


def set_up_planner(parameters: RealtimeParameters, report: Callable[[str], None]) -> None:
    """Niceness of the calling thread, which computes a lot.

    No SCHED_FIFO: the kernel stops the real-time threads of a core for 50 ms when together they take over 95 % of 1 s.
    """

    def act() -> None:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # else inherited from the thread that started it
        _renice([threading.get_native_id()], parameters.planner_nice)

    _step("niceness", f"{parameters.planner_nice} of the planner", act, report)


def set_up_observer(value: int, report: Callable[[str], None]) -> None:
    """Niceness ``value`` of the whole process, one that is to be heard on a busy machine without real-time rights."""
    _step("niceness", f"{value}", lambda: _renice(_threads(), value), report)


def _step(name: str, what: str, act: Callable[[], None], report: Callable[[str], None]) -> None:
    try:
        act()
    except (OSError, ValueError) as error:
        how = f" To permit it: {_HOW[name]}." if name in _HOW else ""
        report(
            f"real time: {name} ({what}) refused: {getattr(error, 'strerror', None) or error}; going on without.{how}"
        )
    else:
        report(f"real time: {name} {what}")


def _pin(cores: list[int]) -> None:
    for thread in _threads():
        os.sched_setaffinity(thread, cores)


def _threads() -> list[int]:
    """All of this process."""
    return [int(thread) for thread in os.listdir("/proc/self/task")]


def _loop_threads() -> list[int]:
    """The calling thread, and those of the middleware, which wake it."""
    found = [threading.get_native_id()]
    for thread in _threads():
        with open(f"/proc/self/task/{thread}/comm") as name:
            if name.read().startswith("dds."):
                found.append(thread)
    return found


def _fifo(threads: list[int], priority: int) -> None:
    for thread in threads:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(priority))


def _renice(threads: Iterable[int], value: int) -> None:
    for thread in threads:
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.setpriority(os.PRIO_PROCESS, thread, value)
    if os.path.exists(_AUTOGROUP):  # where sessions share the processor among them, niceness counts only inside one
        with open(_AUTOGROUP, "w") as group:
            group.write(str(value))


def _lock_memory() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
