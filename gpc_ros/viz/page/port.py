"""What the page knows of the robot and what it can ask for. A ROS graph stands behind it, or a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gpc_ros.signals import Array, Command, Estimate, Plan, Samples
from gpc_ros.simulation.pushes import Push

Done = Callable[[str], None]
"""Takes the outcome of what was asked for: an empty text, or why it was refused."""

RESET, PAUSE, RESUME, STEP = "reset", "pause", "resume", "step"
"""What a simulator can be asked for."""
TROUBLE = "trouble"
"""The figure of a node's health that says what is wrong with it; empty when nothing is."""


@dataclass(frozen=True, slots=True)
class News:
    """The newest of everything; None where nothing has come yet.

    ``driver`` is who commands: a planner, ``hold``, ``stop``, or an empty text while nobody has said so.
    ``candidates`` are some of the newest search with their costs (N,). ``latencies_ns`` are those measured since the
    last time. ``health`` holds the figures of each node by its name.
    """

    estimate: Estimate | None = None
    truth: Estimate | None = None
    command: Command | None = None
    plan: Plan | None = None
    candidates: tuple[Samples, Array] | None = None
    goal: Array | None = None
    driver: str = ""
    latencies_ns: tuple[int, ...] = ()
    health: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Port(Protocol):
    """The graph as the page sees it. Everything returns at once and may be called from any thread."""

    def news(self) -> News:
        """What has come since the last time, and the newest from before."""

    def values(self, node: str) -> Mapping[str, Any] | None:
        """The parameters of ``node`` as they really are; None while there is no such node."""

    def set_value(self, node: str, name: str, value: Any, done: Done) -> None:
        """Set a parameter; ``done`` is told when it has happened, or why not."""

    def ask_plant(self, what: str, done: Done) -> None:
        """Ask the simulator for one of RESET, PAUSE, RESUME, STEP."""

    def push(self, push: Push) -> None:
        """Push a body of the simulated robot."""

    def go_to(self, goal: Array) -> None:
        """Give the task a goal (ng,) [m]."""

    def stop(self, stopped: bool) -> None:
        """Stop, and stay stopped; or drive on."""
