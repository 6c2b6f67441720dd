"""What happened in a recorded run, as arrays.

Letters: T messages, n names, ng size of the goal.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpc_ros.errors import GpcError, InvalidSignal
from gpc_ros.goals import Goals, Pose
from gpc_ros.recording.reader import Message, Recording
from gpc_ros.signals import NS_PER_S, Array
from gpc_ros.spec import planner_of
from gpc_ros.statistics import Counts
from gpc_ros.tasks.base import Task

Times = NDArray[np.int64]
"""Times (T,) [ns]."""

_EPOCH = re.compile(r"\bepoch (\d{1,18})\b")


@dataclass(frozen=True, slots=True)
class Track:
    """The sensor_msgs/JointState messages of one topic: when they were sent, their stamps, epochs, values.

    ``position``, ``velocity`` and ``effort`` are (T, n), NaN where a message does not give them.
    """

    names: tuple[str, ...]
    sent_ns: Times
    stamp_ns: Times
    epoch: Times
    position: Array
    velocity: Array
    effort: Array

    def values(self, kind: str, names: tuple[str, ...]) -> Array:
        """``position``, ``velocity`` or ``effort`` (T, n) of ``names``, in their order.

        Raises:
            GpcError: if a name is not among those recorded.
        """
        if missing := set(names) - set(self.names):
            raise GpcError(f"recorded are {', '.join(self.names)}, not {', '.join(sorted(missing))}")
        found: Array = getattr(self, kind)[:, [self.names.index(name) for name in names]]
        return found


class History:
    """The messages of a recording, decoded.

    Args:
        recording: the file.
        cdr: what reads the bytes, the module ``gpc_ros.nodes.cdr``: the core does not import nodes.

    Attributes:
        tracks: by name of the topic.
        plans: stamps of each planner's plans, and when they were sent [ns].
        drivers: when it was said [ns] which planner drives, and its name.
        poses: what was said on ``goal_pose``.
        refused: messages that could not be read, by topic.
    """

    def __init__(self, recording: Recording, cdr: Any) -> None:
        self.plans: dict[str, tuple[Times, Times]] = {}
        self.drivers: list[tuple[int, str]] = []
        self.poses: list[Pose] = []
        self.refused = Counts()
        self._cdr = cdr
        self._rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self._planned: dict[str, list[tuple[int, int]]] = defaultdict(list)
        decoders: dict[str, Any] = defaultdict(cdr.JointStateDecoder)
        for message in recording.messages():
            name = recording.name(message.channel.topic)
            try:
                if message.channel.kind == "sensor_msgs/JointState":
                    state = decoders[name].decode(message.data)
                    self._rows[name].append((message.sent_ns, state))
                else:
                    self._take(name, message)
            except InvalidSignal:
                self.refused[name] += 1
        self.tracks = {name: _track(rows) for name, rows in self._rows.items()}
        for planner, times in self._planned.items():
            stamps, sent = np.array(times, dtype=np.int64).T
            self.plans[planner] = (stamps, sent)

    def _take(self, name: str, message: Message) -> None:
        sent_ns, reader = message.sent_ns, self._cdr.Reader(message.data)
        if planner := planner_of(name):
            self._planned[planner].append((self._cdr.time_of(*reader.take("iI")), sent_ns))
        elif name == "controller/active":
            self.drivers.append((sent_ns, reader.text()))
        elif name == "goal_pose":
            self.poses.append(pose(message, self._cdr))

    @cached_property
    def _clock(self) -> tuple[Times, Times]:
        """Times [ns] and the latest stamp at each: in lock-step the two do not go at the same rate."""
        track = max(self.tracks.values(), key=lambda track: len(track.sent_ns))
        order = np.argsort(track.sent_ns, kind="stable")
        return track.sent_ns[order], np.maximum.accumulate(track.stamp_ns[order])

    def seconds(self, stamp_ns: Times) -> Array:
        """Stamps [ns] as times [s] from the first one on."""
        found: Array = (stamp_ns - self._clock[1][0]) / NS_PER_S
        return found

    def stamp_at(self, sent_ns: int) -> int:
        """The stamp [ns] of what was measured when a message without one was sent."""
        times, stamps = self._clock
        return int(stamps[0] + np.interp(sent_ns - times[0], times - times[0], stamps - stamps[0]))


def pose(message: Message, cdr: Any) -> Pose:
    """The geometry_msgs/PoseStamped in ``message``, read with ``cdr``, as ``History`` has it.

    Raises:
        InvalidSignal: if it is none.
    """
    reader = cdr.Reader(message.data)
    stamp_ns, frame = cdr.time_of(*reader.take("iI")), reader.text()
    return Pose(frame, reader.fixed(7), stamp_ns, message.sent_ns, message.log_ns)


def goals_of(poses: Iterable[Pose], task: Task) -> list[tuple[int, Array]]:
    """When each goal (ng,) of ``task`` was set [ns], and it, as the nodes take ``poses``: some they refuse."""
    goals, found = Goals(task), []
    for each in poses:
        with suppress(InvalidSignal):
            if (goal := goals.read(each)) is not None:
                found.append((each.sent_ns, goal))
    return found


def _track(rows: list[tuple[int, Any]]) -> Track:
    """Messages as columns; those with other names than the first one are left out."""
    names = rows[0][1].names
    rows = [row for row in rows if row[1].names == names]
    states = [state for _, state in rows]
    times = ([sent_ns for sent_ns, _ in rows], [s.stamp_ns for s in states], [_epoch(s.frame_id) for s in states])
    sent_ns, stamp_ns, epoch = (np.array(column, dtype=np.int64) for column in times)
    position, velocity, effort = (
        np.array([v if len(v := getattr(s, kind)) == len(names) else [np.nan] * len(names) for s in states])
        for kind in ("position", "velocity", "effort")
    )
    return Track(names, sent_ns, stamp_ns, epoch, position, velocity, effort)


@lru_cache(maxsize=64)
def _epoch(words: str) -> int:
    found = _EPOCH.search(words)
    return int(found[1]) if found else 0
