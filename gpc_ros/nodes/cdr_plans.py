"""CDR of the messages that carry plans: trajectory_msgs/JointTrajectory and std_msgs/Float64MultiArray. See ``cdr``.

Letters: P points, n names.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gpc_ros.errors import InvalidSignal
from gpc_ros.nodes.cdr import LITTLE_ENDIAN, REPRESENTATION, Reader, head_of, text_of, time_of
from gpc_ros.signals import NS_PER_S, Array

FIELDS = ("position", "velocity", "acceleration", "effort")
"""What a point of a trajectory may give, in the order of the message."""


@dataclass(frozen=True, slots=True)
class JointTrajectory:
    """The content of a trajectory_msgs/JointTrajectory whose points all have the same one field.

    ``values`` (P, n) are the points' positions, velocities or efforts, as ``field`` says; ``times_ns`` (P,) from the
    stamp on.
    """

    stamp_ns: int
    frame_id: str
    names: tuple[str, ...]
    field: str
    values: Array
    times_ns: np.ndarray


@lru_cache(maxsize=64)
def _layout(head: int, points: int, names: int, place: int) -> struct.Struct:
    """Layout of a JointTrajectory: stamp, head, number of points, and each point with values at ``place`` alone."""
    text, offset = f"<4siI{head}sI", 12 + head
    for _ in range(points):
        for index in range(len(FIELDS)):
            text, offset = text + "I", offset + 4
            if index == place:
                pad = -offset % 8
                text, offset = f"{text}{pad}x{names}d", offset + pad + 8 * names
        text, offset = text + "iI", offset + 8
    return struct.Struct(text)


def encode_joint_trajectory(trajectory: JointTrajectory) -> bytes:
    """A trajectory_msgs/JointTrajectory as bytes, for ``Publisher.publish``."""
    points, names = trajectory.values.shape
    place = FIELDS.index(trajectory.field)
    head = head_of(trajectory.frame_id, trajectory.names)
    before, after = [0] * place, [0] * (len(FIELDS) - 1 - place)
    content: list[float] = []
    for row, time_ns in zip(trajectory.values.tolist(), trajectory.times_ns.tolist(), strict=True):
        content += [*before, names, *row, *after, *divmod(time_ns, NS_PER_S)]
    stamp = divmod(trajectory.stamp_ns, NS_PER_S)
    return _layout(len(head), points, names, place).pack(LITTLE_ENDIAN, *stamp, head, points, *content)


class JointTrajectoryDecoder:
    """Reads JointTrajectory bytes; messages like the last one (same frame, names and sizes) take the short way."""

    def __init__(self) -> None:
        self._size = -1
        self._head = b""
        self._layout = _layout(0, 0, 0, 0)
        self._shape = (0, 0)
        self._place = 0
        self._texts: tuple[str, tuple[str, ...]] = ("", ())

    def decode(self, data: bytes) -> JointTrajectory:
        """The content of ``data``.

        Raises:
            InvalidSignal: if the bytes are no JointTrajectory, or the points do not all have the same single field.
        """
        if len(data) == self._size and data.startswith(self._head, 12) and data.startswith(REPRESENTATION):
            _, sec, nanosec, _, points, *content = self._layout.unpack_from(data)
            if points == self._shape[0] and (found := self._short(content)) is not None:
                return JointTrajectory(time_of(sec, nanosec), *self._texts, FIELDS[self._place], *found)
        return self._learn(data)

    def _short(self, content: list[float]) -> tuple[Array, np.ndarray] | None:
        """Values and times, or None if the sizes within are not those of the last message."""
        points, names = self._shape
        place, table = self._place, np.array(content).reshape(points, -1)
        first = place + 1  # a point is its counts up to ``place``, the values, the other counts (0), the time
        seconds, nanoseconds = table[:, -2:].astype(np.int64).T
        others = table[:, :place].any() or table[:, first + names : -2].any()
        if others or (table[:, place] != names).any() or (nanoseconds >= NS_PER_S).any():
            return None
        return table[:, first : first + names].copy(), seconds * NS_PER_S + nanoseconds

    def _learn(self, data: bytes) -> JointTrajectory:
        reader = Reader(data)
        sec, nanosec = reader.take("iI")
        frame_id, names = reader.text(), reader.texts()
        head_end = reader.offset
        rows, times, found = [], [], set()
        for _ in range(reader.count()):
            field, row = _point(reader, len(names))
            found.add(field)
            rows.append(row)
            times.append(time_of(*reader.take("iI")))
        if len(found) > 1:
            raise InvalidSignal("size", f"points give different fields: {sorted(found)}")
        if rows:
            self._size, self._head, self._texts = len(data), data[12:head_end], (frame_id, names)
            self._shape, self._place = (len(rows), len(names)), FIELDS.index(min(found))
            self._layout = _layout(head_end - 12, *self._shape, self._place)
        values = np.array(rows) if rows else np.empty((0, len(names)))
        field = min(found, default="")
        return JointTrajectory(time_of(sec, nanosec), frame_id, names, field, values, np.array(times, dtype=np.int64))


def _point(reader: Reader, names: int) -> tuple[str, Array]:
    """The one field that a point gives, and its values."""
    arrays = {field: reader.doubles() for field in FIELDS}
    given = [field for field, values in arrays.items() if len(values)]
    if len(given) != 1 or len(arrays[given[0]]) != names:
        raise InvalidSignal("size", f"each point must give one field for {names} names, has {given}")
    return given[0], arrays[given[0]]


def encode_multi_array(labels: Sequence[str], values: Array) -> bytes:
    """A std_msgs/Float64MultiArray as bytes: ``values`` with one label per axis."""
    content = struct.pack("<I", len(labels))
    for axis, label in enumerate(labels):
        stride = math.prod(values.shape[axis:])
        content += text_of(label) + struct.pack("<II", values.shape[axis], stride)
    content += struct.pack("<II", 0, values.size)
    pad = b"\0" * (-len(content) % 8 if values.size else 0)
    return LITTLE_ENDIAN + content + pad + np.ascontiguousarray(values, "<f8").tobytes()


def decode_multi_array(data: bytes) -> tuple[list[str], Array]:
    """Labels and values, with one axis per label, of std_msgs/Float64MultiArray bytes.

    Raises:
        InvalidSignal: if they are none, or its sizes do not make up its number of values.
    """
    reader = Reader(data)
    labels, sizes = [], []
    for _ in range(reader.count()):
        labels.append(reader.text())
        sizes.append(reader.take("II")[0])
    (offset,) = reader.take("I")
    values = reader.doubles()
    if offset or math.prod(sizes) != len(values):
        raise InvalidSignal("size", f"{len(values)} values from {offset} on do not fill axes of {sizes[:10]}")
    return labels, values.reshape(sizes)
