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
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np

from gpc_ros.control.base import Planner, no_plan
from gpc_ros.control.lead import Lead, driving
from gpc_ros.control.previous import Previous
from gpc_ros.errors import InvalidSignal
from gpc_ros.estimation.base import Estimator
from gpc_ros.estimation.command_log import CommandLog
from gpc_ros.recording.reader import Message, Recording
from gpc_ros.signals import Array, Command, Estimate, Measurement, Plan, Samples
from gpc_ros.statistics import Counts

T = TypeVar("T")
Key = tuple[int, int]
"""Epoch and stamp [ns]."""


class Recorded(NamedTuple):
    """A signal, when it was sent [ns], and its bytes."""

    sent_ns: int
    signal: Any
    data: bytes

    @property
    def key(self) -> Key:
        """Its epoch and stamp."""
        return self.signal.epoch, self.signal.stamp_ns


def readable(
    recording: Recording, name: str, read: Callable[[Message], T], refused: Counts
) -> Iterator[tuple[Message, T]]:
    """The messages on the topic ``name`` and what ``read`` makes of them; those that it refuses are counted."""
    for message in recording.messages({name}):
        try:
            yield message, read(message)
        except InvalidSignal as error:
            refused[f"{name}: {error.reason}"] += 1


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
        measurements: in order, with times of sending [ns].
        commands: in any order.
        settings: of the node ``estimator``.
        make: an estimator from parameters, and the delay [ns] with which its commands take effect.
    """
    waiting = sorted(commands, key=lambda command: (command.epoch, command.stamp_ns), reverse=True)
    log = CommandLog()
    last: Estimate | None = None
    seen: Key | None = None
    for sent_ns, measurement in measurements:
        if (new := settings.changed(sent_ns)) is not None:
            estimator, log.delay_ns = make(new["estimator"])
        key = measurement.epoch, measurement.stamp_ns
        if key == seen:
            continue  # asked again
        seen = key
        while waiting and (waiting[-1].epoch, waiting[-1].stamp_ns) < key:
            log.add(waiting.pop())
        last = estimator.update(measurement, log.since(last.stamp_ns if last else measurement.stamp_ns))
        yield measurement, last


Said = Sequence[tuple[int, T]]
"""What was said, each with the time of sending [ns], in order."""


@dataclass(frozen=True)
class Scene:
    """What a planner was told besides estimates and plans.

    Attributes:
        goals: (ng,) in the units of ``Task.goal``.
        wanted: names of the planners that were to plan from then on.
        drivers: who drove from then on.
        commands: what was commanded.
        samples: of the policy, for seeding.
    """

    goals: Said[Array] = ()
    wanted: Said[Sequence[str]] = ()
    drivers: Said[str] = ()
    commands: Said[Command] = ()
    samples: Said[Samples] = ()

    @cached_property
    def _samples_of(self) -> dict[Key, Samples]:
        return {(samples.epoch, samples.stamp_ns): samples for _, samples in self.samples}

    def samples_for(self, key: Key, begun_ns: int, *, waited: bool) -> Samples | None:
        """Those that a plan from the estimate of ``key`` had: of that estimate if it waited for them, or the latest."""
        return (self._samples_of.get(key) if waited else None) or last_said(self.samples, begun_ns)

    def goal(self, time_ns: int) -> Array | None:
        """The goal at ``time_ns``; the first one also before it came. None if there is none."""
        first = self.goals[0][1] if self.goals else None
        return last_said(self.goals, time_ns, first)


def last_said(said: Said[T], time_ns: int, otherwise: T | None = None) -> T | None:
    """What was said last at ``time_ns``; ``otherwise`` if nothing was by then."""
    number = bisect_right(said, time_ns, key=lambda each: each[0])
    return said[number - 1][1] if number else otherwise


@dataclass(frozen=True)
class Replanner:
    """A planner once more.

    Attributes:
        name: the planner's.
        make: it from parameters by node.
        settings: parameters of the nodes that ``make`` needs.
        lead: steps the model to where a plan begins.
        scene: what it was told.
        seeds: samples as seeds of a plan from an estimate on, that begins at a time [ns], for a planner.
    """

    name: str
    make: Callable[[Mapping[str, Any]], Planner]
    settings: Settings
    lead: Lead
    scene: Scene
    seeds: Callable[[Planner, Samples, Estimate, int], Array | None]

    def run(self, recorded: Iterable[Recorded], known: Mapping[Key, Estimate]) -> Iterator[tuple[Recorded, Plan]]:
        """Each recorded plan of the planner, and the one that it makes of the same estimate and the same plan before.

        Args:
            recorded: plans of all planners.
            known: estimates; a plan whose estimate is not among them is passed over.
        """
        ordered = sorted(recorded, key=lambda each: each.key)
        before, earlier, wishes = Previous(), deque(ordered), deque(self.scene.wanted)
        planner: Planner | None = None
        seen: Key | None = None
        for target in (each for each in ordered if each.signal.planner == self.name):
            while earlier[0].key < target.key:
                before.add(earlier.popleft().signal)
            while wishes and wishes[0][0] <= target.sent_ns:
                before.want({self.name} & set(wishes.popleft()[1]))
            if (new := self.settings.changed(target.sent_ns)) is not None:
                planner = self.make(new)
            estimate = known.get(target.key)
            if planner is None or estimate is None or target.key == seen:  # not recorded, or the same answer again
                continue
            seen = target.key
            if (goal := self.scene.goal(target.sent_ns)) is not None:
                planner.set_goal(goal)
            yield target, self._plan(planner, estimate, before, target)

    def _plan(self, planner: Planner, estimate: Estimate, before: Previous, target: Recorded) -> Plan:
        old: Plan = target.signal
        lead_ns = old.start_ns - old.stamp_ns
        begun_ns = target.sent_ns - lead_ns  # planning took about as long as it was ahead
        previous = driven = before.of(self.name, estimate)
        if driver := last_said(self.scene.drivers, begun_ns):
            driven = driving(driver, before, last_said(self.scene.commands, begun_ns), estimate)
        start = self.lead.ahead(estimate, driven, lead_ns)
        samples = self.scene.samples_for(target.key, begun_ns, waited=not lead_ns)
        seeds = None if samples is None else self.seeds(planner, samples, estimate, start.stamp_ns)
        plan = planner.plan(start, previous, seeds)
        if plan is None:
            return no_plan(estimate, old.knots.shape[1], self.name)
        return replace(plan, stamp_ns=estimate.stamp_ns, planner=self.name)
