"""Starts processes, starts them again when they crash, and ends them all."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

_PR_SET_PDEATHSIG = 1
_MOST_RESTARTS = 5
_GET_READY_S = 30.0
_USER_ERROR = 2  # a mistake of the user: to start again would repeat it


def _die_with_parent() -> None:
    """So that not even kill -9 of the parent leaves a process behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """One supervised process; ``exit_code`` is None while it runs."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    vital: bool = True
    """Whether the others end with it."""
    restarts: int = 0
    exit_code: int | None = None
    cpu_s: float = 0.0
    started: float = field(default_factory=time.monotonic)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, in a session of its own: the terminal's Ctrl-C goes to the supervisor alone."""
        self.exit_code, self.started = None, time.monotonic()
        self.process = subprocess.Popen(
            self.command, env=dict(self.environment), start_new_session=True, preexec_fn=_die_with_parent
        )

    def poll(self) -> bool:
        """Whether it still runs; notes exit code and processor time when it has ended."""
        if self.process is None or self.exit_code is not None:
            return False
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if pid:
            self._ended(status, usage)
        return not pid

    def _ended(self, status: int, usage: resource.struct_rusage) -> None:
        self.exit_code = os.waitstatus_to_exitcode(status)
        self.cpu_s += usage.ru_utime + usage.ru_stime
        if self.process is not None:
            self.process.returncode = self.exit_code

    def send(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.process is not None and self.exit_code is None:
            os.kill(self.process.pid, number)


class Supervisor:
    """A set of processes that live and end together."""

    def __init__(self, children: Sequence[Child]) -> None:
        self.children = list(children)
        self._begin = time.monotonic()

    def start(self, first: str = "", ready: Callable[[], bool] = lambda: True) -> None:
        """Start all, child ``first`` before the others, which wait until it is ``ready``, ends, or takes too long."""
        self._begin = time.monotonic()
        for child in sorted(self.children, key=lambda child: child.name != first):
            child.start()
            end = time.monotonic() + _GET_READY_S
            while child.name == first and not ready() and child.poll() and time.monotonic() < end:
                time.sleep(0.05)

    def watch(self) -> Child | None:
        """Start crashed processes again.

        Returns:
            The first that has ended for good: in order, by the user's mistake, or after too many crashes.
        """
        for child in self.children:
            if child.poll() or child.exit_code is None:
                continue
            if child.exit_code in (0, _USER_ERROR) or child.restarts >= _MOST_RESTARTS:
                if child.vital:
                    return child
                continue
            child.restarts += 1
            child.start()
        return None

    def stop(self, patience_s: float = 5.0) -> None:
        """End all: SIGTERM, and SIGKILL for those that have not ended after ``patience_s``."""
        end = time.monotonic() + patience_s
        for number in (signal.SIGTERM, signal.SIGKILL):
            for child in self.children:
                child.send(number)
            while sum(child.poll() for child in self.children) and time.monotonic() < end:
                time.sleep(0.01)
            end = time.monotonic() + 5.0

    def summary(self) -> dict[str, dict[str, float | int | None]]:
        """Exit code, restarts and share of one core [%] of each process."""
        elapsed = max(time.monotonic() - self._begin, 1e-9)
        return {
            child.name: {
                "exit_code": child.exit_code,
                "restarts": child.restarts,
                "cpu_percent": round(100 * child.cpu_s / elapsed, 1),
            }
            for child in self.children
        }
