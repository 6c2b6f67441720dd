"""The estimator and the planners once more, on what was recorded: in lock-step with equal results, bit for bit.

In real time an estimator may have had messages in another order than they were recorded in, and a planner may have
been short of time; then the results differ by as much as that mattered.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gpc_ros.control.base import Planner, no_plan
from gpc_ros.control.lead import Lead
from gpc_ros.control.previous import Previous
from gpc_ros.errors import InvalidSignal
from gpc_ros.estimation.base import Estimator
from gpc_ros.estimation.command_log import CommandLog
from gpc_ros.recording.reader import Recording
from gpc_ros.signals import Array, Command, Estimate, Measurement, Plan
from gpc_ros.statistics import Counts

Key = tuple[int, int]
"""Epoch and stamp [ns]."""


class Recorded(NamedTuple):
    """A signal, when it arrived [ns], and its bytes."""

    log_ns: int
    signal: Any
    data: bytes

    @property
    def key(self) -> Key:
        """Its epoch and stamp."""
        return self.signal.epoch, self.signal.stamp_ns


def signals(recording: Recording, name: str, decode: Callable[[bytes], Any], refused: Counts) -> list[Recorded]:
    """What was recorded on the topic ``name``; messages that ``decode`` refuses are counted."""
    found = []
    for message in recording.messages({name}):
        try:
            found.append(Recorded(message.log_ns, decode(message.data), message.data))
        except InvalidSignal as error:
            refused[f"{name}: {error.reason}"] += 1
    return found


class Settings:
    """Parameters by node through the time of a recording."""

    def __init__(self, recording: Recording, nodes: Sequence[str]) -> None:
        self._changes: list[tuple[int, dict[str, dict[str, Any]]]] = [(0, {node: {} for node in nodes})]
        for setting in recording.settings:
            now = self._changes[-1][1]
            if setting.node in now and (new := {**now[setting.node], **setting.values}) != now[setting.node]:
                first = not now[setting.node]  # told after the first messages, but in force before
                self._changes.append((0 if first else setting.time_ns, {**now, setting.node: new}))
        self._times = [time_ns for time_ns, _ in self._changes]
        self._index = -1

    def changed(self, time_ns: int) -> dict[str, dict[str, Any]] | None:
        """Values by node and dotted name at ``time_ns``, if they are others than those given the last time."""
        index = bisect_right(self._times, time_ns) - 1
        if index == self._index:
            return None
        self._index = index
        return self._changes[index][1]


@dataclass
class Comparison:
    """Results computed anew beside those recorded."""

    compared: int = 0
    equal: int = 0
    """Bit for bit."""
    largest_difference: float = 0.0
    begin_ns: int = 0
    """Stamp of the first result compared."""
    first_difference_ns: int | None = None
    """Stamp of the first result that differs."""

    def add(self, old: Recorded, data: bytes, values: tuple[Array, Array]) -> None:
        """Compare ``old`` with the bytes of the result computed anew; ``values`` are the old and new ones' numbers."""
        stamp_ns = old.signal.stamp_ns
        self.begin_ns = self.begin_ns or stamp_ns
        self.compared += 1
        self.equal += data == old.data
        if data != old.data:
            self.largest_difference = max(self.largest_difference, _apart(*values))
            self.first_difference_ns = self.first_difference_ns or stamp_ns


def _apart(a: Array, b: Array) -> float:
    """The largest difference of two values at the same place; infinite where there is no such thing."""
    if a.shape != b.shape:
        return math.inf
    apart = np.abs(a - b).max(initial=0.0)
    return math.inf if np.isnan(apart) else float(apart)


def estimates(
    measurements: Iterable[tuple[int, Measurement]],
    commands: Iterable[Command],
    settings: Settings,
    make: Callable[[Mapping[str, Any]], tuple[Estimator, int]],
) -> Iterator[tuple[Measurement, Estimate]]:
    """Each measurement and what the estimator makes of it, with the commands before it.

    Args:
        measurements: with times of arrival [ns].
        commands: in any order.
        settings: of the node ``estimator``.
        make: an estimator from parameters, and the delay [ns] with which its commands take effect.
    """
    waiting = sorted(commands, key=lambda command: (command.epoch, command.stamp_ns), reverse=True)
    log = CommandLog()
    last: Estimate | None = None
    seen: Key | None = None
    for log_ns, measurement in measurements:
        if (new := settings.changed(log_ns)) is not None:
            estimator, log.delay_ns = make(new["estimator"])
        key = measurement.epoch, measurement.stamp_ns
        if key == seen:
            continue  # asked again
        seen = key
        while waiting and (waiting[-1].epoch, waiting[-1].stamp_ns) < key:
            log.add(waiting.pop())
        last = estimator.update(measurement, log.since(last.stamp_ns if last else measurement.stamp_ns))
        yield measurement, last


@dataclass(frozen=True)
class Scene:
    """What a planner was told besides estimates, each with its time of arrival [ns].

    Attributes:
        goals: (ng,) in the units of ``Task.goal``.
        wanted: names of the planners that were to plan from then on.
    """

    goals: Sequence[tuple[int, Array]] = ()
    wanted: Sequence[tuple[int, Sequence[str]]] = ()

    def goal(self, time_ns: int) -> Array | None:
        """The goal at ``time_ns``; the first one also before it came. None if there is none."""
        told = [goal for at_ns, goal in self.goals if at_ns <= time_ns] or [goal for _, goal in self.goals[:1]]
        return told[-1] if told else None


@dataclass(frozen=True)
class Replanner:
    """A planner once more.

    Attributes:
        name: the planner's.
        make: it from parameters by node.
        settings: parameters of the nodes that ``make`` needs.
        lead: steps the model to where a plan begins.
        scene: what it was told.
    """

    name: str
    make: Callable[[Mapping[str, Any]], Planner]
    settings: Settings
    lead: Lead
    scene: Scene

    def run(self, recorded: Iterable[Recorded], known: Mapping[Key, Estimate]) -> Iterator[tuple[Recorded, Plan]]:
        """Each recorded plan of the planner, and the one that it makes of the same estimate and the same plan before.

        Args:
            recorded: plans of all planners.
            known: estimates; a plan whose estimate is not among them is passed over.
        """
        ordered = sorted(recorded, key=lambda each: each.key)
        before, earlier, wanted = Previous(), deque(ordered), deque(self.scene.wanted)
        planner: Planner | None = None
        seen: Key | None = None
        for target in (each for each in ordered if each.signal.planner == self.name):
            while earlier[0].key < target.key:
                before.add(earlier.popleft().signal)
            while wanted and wanted[0][0] <= target.log_ns:
                before.keep(wanted.popleft()[1])
            if (new := self.settings.changed(target.log_ns)) is not None:
                planner = self.make(new)
            estimate = known.get(target.key)
            if planner is None or estimate is None or target.key == seen:  # not recorded, or the same answer again
                continue
            seen = target.key
            if (goal := self.scene.goal(target.log_ns)) is not None:
                planner.set_goal(goal)
            yield target, self._plan(planner, estimate, before, target.signal)

    def _plan(self, planner: Planner, estimate: Estimate, before: Previous, old: Plan) -> Plan:
        previous = before.of(self.name, estimate)
        start = self.lead.ahead(estimate, previous, old.start_ns - old.stamp_ns)
        plan = planner.plan(start, previous)
        if plan is None:
            return no_plan(estimate, old.knots.shape[1], self.name)
        return replace(plan, stamp_ns=estimate.stamp_ns, planner=self.name)
