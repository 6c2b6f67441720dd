"""Recordings made without ROS: single messages, and whole runs of the closed loop."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gpc_ros import spec
from gpc_ros.closed_loop import ClosedLoop
from gpc_ros.goals import Goals
from gpc_ros.nodes import cdr
from gpc_ros.recording.mcap_file import Entry, McapFile

BEGIN_NS = 1_700_000_000_000_000_000
MS = 1_000_000

Row = tuple[str, int, bytes]
"""A topic of the table, time of arrival [ns] from ``BEGIN_NS`` on, bytes."""


Setting = tuple[str, int, Mapping[str, Any]]
"""A node, a time as above, and parameters."""


def write(
    file: Path, rows: Iterable[Row], settings: Iterable[Setting] = (), *, robot: str = "cart_pole", flush_every: int = 0
) -> Path:
    """A recording of ``rows``, each published 0.1 ms before it arrived, flushed now and then."""
    tape, channels = McapFile(file), {}
    tape.note("gpc_ros", {"robot": robot, "namespace": "/"} if robot else {})
    for node, time_ns, values in settings:
        tape.note("parameters", {"node": node, "time_ns": str(BEGIN_NS + time_ns), "values": json.dumps(values)})
    for count, (topic, time_ns, data) in enumerate(rows):
        if topic not in channels:
            entry = spec.TOPICS[topic]
            channels[topic] = tape.channel(f"/{topic.lstrip('/')}", entry.message, entry.qos)
        now_ns = BEGIN_NS + time_ns
        tape.add(Entry(channels[topic], now_ns, now_ns - MS // 10, count, data))
        if flush_every and count % flush_every == flush_every - 1:
            tape.flush()
    tape.close()
    return file


def state(tick: int, *, epoch: int = 0, value: float = 0.0) -> bytes:
    """A JointState of cart_pole at ``tick`` of 2 ms."""
    words = f"epoch {epoch}" if epoch else ""
    return cdr.encode_joint_state((tick + 500) * 2 * MS, words, ("slider", "hinge"), [value, 0.1], [0.0, tick])


def text(value: str) -> bytes:
    """A std_msgs/String."""
    return cdr.LITTLE_ENDIAN + cdr.text_of(value)


def pose(*values: float, frame: str = "world") -> bytes:
    """A geometry_msgs/PoseStamped with so many of the values x y z and quaternion x y z w, the others as at rest."""
    head = struct.pack("<iI", 1, 0) + cdr.text_of(frame)
    whole = [*values, *(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)[len(values) :]]
    return cdr.LITTLE_ENDIAN + head + b"\0" * (-len(head) % 8) + struct.pack("<7d", *whole)


class Run:
    """A closed loop whose signals are kept as a recorder would hear them; each takes a tenth of a millisecond."""

    def __init__(self, robot: str, overrides: Mapping[str, Mapping[str, Any]]) -> None:
        from gpc_ros.nodes.codec import Codec

        self.rows: list[Row] = []
        self.loop = loop = ClosedLoop(robot, overrides=overrides)
        codec = Codec(loop.task.model)
        if len(loop.simulation.goal):
            goals = Goals(loop.task)
            self._keep("goal_pose", pose(*goals.values(loop.simulation.goal), frame=goals.frame))
        self._watch(loop.simulation, "measure", lambda m: [("joint_states", codec.encode_measurement(m))])
        self._watch(loop.estimator, "update", lambda e: [("state_estimate", codec.encode_estimate(e))])
        self._watch(loop.executive, "select", lambda c: [("command", codec.encode_command(c))])
        accept = loop.executive.accept_plan

        def accept_plan(plan: Any) -> Any:
            self._keep(spec.plan_topic(plan.planner), codec.encode_plan(plan))
            return accept(plan)

        loop.executive.accept_plan = accept_plan  # type: ignore[method-assign]

    @property
    def now_ns(self) -> int:
        """When the next message will arrive, from ``BEGIN_NS`` on."""
        return len(self.rows) * MS // 10

    def _keep(self, topic: str, data: bytes) -> None:
        self.rows.append((topic, self.now_ns, data))

    def _watch(self, owner: Any, name: str, messages: Any) -> None:
        method = getattr(owner, name)

        def watched(*args: Any, **more: Any) -> Any:
            found = method(*args, **more)
            for topic, data in messages(found):
                self._keep(topic, data)
            return found

        setattr(owner, name, watched)
