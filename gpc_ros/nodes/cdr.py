"""CDR, the wire format of ROS 2, for the small messages of the loop; those that carry plans are in ``cdr_plans``.

rclpy converts a message field by field through Python objects; on a machine whose caches went cold between two ticks
that costs some 0.2 ms each way. Here a message of known layout is one ``struct`` call. Bytes are those of any ROS 2
middleware (little-endian plain CDR, OMG DDSI-RTPS 10.5); whatever is not, is left to rclpy.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gpc_ros.errors import InvalidSignal
from gpc_ros.signals import NS_PER_S, Array

REPRESENTATION = b"\x00\x01"  # little-endian plain CDR
LITTLE_ENDIAN = REPRESENTATION + b"\x00\x00"
_STAMP = struct.Struct("<4xiI")
_MAX_ITEMS = 100_000  # names or values in one message: no robot has more, a hostile message may


@dataclass(frozen=True, slots=True)
class JointState:
    """The content of a sensor_msgs/JointState: values by joint name, empty where not given."""

    stamp_ns: int
    frame_id: str
    names: tuple[str, ...]
    position: Array
    velocity: Array
    effort: Array


def text_of(value: str) -> bytes:
    """A string, padded to what follows it."""
    data = value.encode() + b"\0"
    return struct.pack("<I", len(data)) + data + b"\0" * (-len(data) % 4)


@lru_cache(maxsize=64)
def head_of(frame_id: str, names: tuple[str, ...]) -> bytes:
    """What stands between the stamp and the first value: frame, number of names, names."""
    return text_of(frame_id) + struct.pack("<I", len(names)) + b"".join(map(text_of, names))


@lru_cache(maxsize=64)
def _layout(head: int, counts: tuple[int, int, int]) -> struct.Struct:
    """Layout of a JointState after its stamp: head, then three counted sequences of doubles."""
    text, offset = f"<4siI{head}s", 8 + head
    for count in counts:
        text, offset = text + "I", offset + 4
        if count:
            pad = -offset % 8
            text, offset = f"{text}{pad}x{count}d", offset + pad + 8 * count
    return struct.Struct(text)


def encode_joint_state(
    stamp_ns: int,
    frame_id: str,
    names: tuple[str, ...],
    position: Sequence[float] | Array = (),
    velocity: Sequence[float] | Array = (),
    effort: Sequence[float] | Array = (),
) -> bytes:
    """A sensor_msgs/JointState as bytes, for ``Publisher.publish``."""
    head = head_of(frame_id, names)
    counts = (len(position), len(velocity), len(effort))
    layout = _layout(len(head), counts)
    sec, nanosec = divmod(stamp_ns, NS_PER_S)
    return layout.pack(
        LITTLE_ENDIAN, sec, nanosec, head, counts[0], *position, counts[1], *velocity, counts[2], *effort
    )


class JointStateDecoder:
    """Reads JointState bytes; messages like the last one (same frame, names and sizes) take the short way."""

    def __init__(self) -> None:
        self._size = -1
        self._head = b""
        self._layout = _layout(0, (0, 0, 0))
        self._counts = (0, 0, 0)
        self._texts: tuple[str, tuple[str, ...]] = ("", ())

    def decode(self, data: bytes) -> JointState:
        """The content of ``data``.

        Raises:
            InvalidSignal: if the bytes are no plain little-endian JointState.
        """
        if len(data) == self._size and data.startswith(self._head, 12) and data.startswith(REPRESENTATION):
            _, sec, nanosec, _, *values = self._layout.unpack_from(data)
            a, b, _ = self._counts
            if (values[0], values[a + 1], values[a + b + 2]) == self._counts:
                return self._content(
                    time_of(sec, nanosec), values[1 : a + 1], values[a + 2 : a + b + 2], values[a + b + 3 :]
                )
        return self._learn(data)

    def _content(self, stamp_ns: int, position: list[float], velocity: list[float], effort: list[float]) -> JointState:
        return JointState(stamp_ns, *self._texts, np.array(position), np.array(velocity), np.array(effort))

    def _learn(self, data: bytes) -> JointState:
        reader = Reader(data)
        sec, nanosec = reader.take("iI")
        frame_id, names = reader.text(), reader.texts()
        head_end = reader.offset
        arrays = [reader.doubles() for _ in range(3)]
        counts = (len(arrays[0]), len(arrays[1]), len(arrays[2]))
        layout = _layout(head_end - 12, counts)
        if layout.size <= len(data):  # some middlewares leave spare bytes at the end
            self._size, self._head, self._layout = len(data), data[12:head_end], layout
            self._counts, self._texts = counts, (frame_id, names)
        return JointState(time_of(sec, nanosec), frame_id, names, *arrays)


def time_of(sec: int, nanosec: int) -> int:
    """A time [ns]; raises InvalidSignal where the nanoseconds make more than a second."""
    if nanosec >= NS_PER_S:
        raise InvalidSignal("stamp", f"stamp holds {nanosec} nanoseconds, a second and more")
    return sec * NS_PER_S + nanosec


class Reader:
    """Reads plain CDR from the front; alignment counts from behind the four bytes of encapsulation."""

    def __init__(self, data: bytes) -> None:
        if data[:2] != REPRESENTATION:
            raise InvalidSignal("encoding", f"message is not little-endian plain CDR (representation {data[:2].hex()})")
        self._data = data
        self.offset = 4

    def take(self, kinds: str) -> tuple[int, ...]:
        """Four-byte values, ``kinds`` as in ``struct``."""
        self.offset += -self.offset % 4
        return self._unpack(f"<{kinds}")

    def _unpack(self, form: str) -> tuple[int, ...]:
        try:
            values = struct.unpack_from(form, self._data, self.offset)
        except struct.error:
            raise InvalidSignal("size", "message is shorter than it says") from None
        self.offset += struct.calcsize(form)
        return values

    def count(self) -> int:
        """The length of what follows."""
        (count,) = self.take("I")
        if count > _MAX_ITEMS:
            raise InvalidSignal("size", f"message holds {count} items, more than {_MAX_ITEMS}")
        return count

    def text(self) -> str:
        """A string."""
        length = self.count()
        data = self._data[self.offset : self.offset + length]
        if len(data) < length:
            raise InvalidSignal("size", "message is shorter than it says")
        self.offset += length
        self.offset += -self.offset % 4
        return data.rstrip(b"\0").decode(errors="replace")

    def texts(self) -> tuple[str, ...]:
        """A sequence of strings."""
        return tuple(self.text() for _ in range(self.count()))

    def doubles(self) -> Array:
        """A sequence of doubles."""
        count = self.count()
        return self.fixed(count) if count else np.empty(0)

    def fixed(self, count: int) -> Array:
        """``count`` doubles, not preceded by their number."""
        self.offset += -(self.offset - 4) % 8
        end = self.offset + 8 * count
        if end > len(self._data):
            raise InvalidSignal("size", "message is shorter than it says")
        values = np.frombuffer(self._data, "<f8", count, self.offset)
        self.offset = end
        return values


def stamp_of(data: bytes) -> int:
    """Stamp [ns] of the header that a message begins with, and nothing else of it.

    Raises:
        InvalidSignal: if it begins with none.
    """
    if len(data) < _STAMP.size or not data.startswith(REPRESENTATION):
        raise InvalidSignal("encoding", "message has no little-endian header")
    return time_of(*_STAMP.unpack_from(data))


def decode_bool(data: bytes) -> bool:
    """The content of std_msgs/Bool bytes.

    Raises:
        InvalidSignal: if they are none.
    """
    if len(data) < 5 or data[4] > 1:
        raise InvalidSignal("size", "message is no std_msgs/Bool")
    return bool(data[4])
