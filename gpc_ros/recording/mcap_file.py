"""Writes an MCAP file of ROS 2 messages (profile ``ros2``: CDR with ``ros2msg`` schemas), readable at any moment.

Foxglove, ``ros2 bag`` and the mcap tools read it. What has been flushed survives a crash of the process: chunks are
whole, and the first one holds all topics and types, so only the index at the end is missing then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

import yaml

from gpc_ros import __version__
from gpc_ros.errors import GpcError
from gpc_ros.recording.definitions import definition
from gpc_ros.spec import Qos

_NO_LIMIT = {"sec": 9223372036, "nsec": 854775807}
_KEEP_LAST = _RELIABLE = _TRANSIENT_LOCAL = _AUTOMATIC = 1
_BEST_EFFORT = _VOLATILE = 2


class Entry(NamedTuple):
    """One message: its channel, when it arrived and was published [ns], the publisher's count of it, its bytes."""

    channel: int
    log_ns: int
    publish_ns: int
    sequence: int
    data: bytes


class McapFile:
    """A new file. ``add`` collects, ``flush`` writes a whole chunk, ``close`` adds the index.

    Raises:
        GpcError: if ``mcap`` is not installed or the file cannot be made.
    """

    def __init__(self, file: Path) -> None:
        from gpc_ros.recording.extra import CompressionType, Writer  # here: without recordings nobody needs it

        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._stream: BinaryIO = file.open("xb")
        except OSError as error:
            raise GpcError(f"{file}: {error.strerror}") from None
        self.path = file
        self._schemas: dict[str, int] = {}
        self._writer = Writer(self._stream, chunk_size=2**30, compression=CompressionType.LZ4)
        self._writer.start("ros2", f"gpc_ros {__version__}")

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._stream.tell()

    def channel(self, topic: str, kind: str, qos: Qos) -> int:
        """Number of a new channel for messages of type ``kind`` (package/Type) on ``topic`` (with namespace)."""
        if kind not in self._schemas:
            name = kind.replace("/", "/msg/")
            self._schemas[kind] = self._writer.register_schema(name, "ros2msg", definition(kind).encode())
        offered = {"offered_qos_profiles": _offered(qos)}
        return self._writer.register_channel(topic, "cdr", self._schemas[kind], offered)

    def add(self, entry: Entry) -> None:
        """Note a message for the present chunk."""
        channel, log_ns, publish_ns, sequence, data = entry
        self._writer.add_message(channel, log_ns, data, publish_ns, sequence & 0xFFFFFFFF)

    def note(self, name: str, values: Mapping[str, str]) -> None:
        """Write a metadata record."""
        self._writer.add_metadata(name, dict(values))

    def flush(self) -> None:
        """Give everything so far to the operating system."""
        self._writer.flush()

    def close(self) -> int:
        """Write the index and close; the size [bytes]."""
        try:
            self._writer.finish()
            return self.size
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close as it is, without the index."""
        with contextlib.suppress(OSError):
            self._stream.close()

    def discard(self) -> None:
        """Close it and take it away."""
        self.abandon()
        with contextlib.suppress(OSError):
            self.path.unlink()


def _offered(qos: Qos) -> str:
    """What ``ros2 bag play`` is to offer on the topic, in the form that every version of it reads."""
    latched = qos is Qos.LATCHED
    profile = {
        "history": _KEEP_LAST,
        "depth": 1 if latched else 10,
        "reliability": _BEST_EFFORT if qos is Qos.STATE else _RELIABLE,
        "durability": _TRANSIENT_LOCAL if latched else _VOLATILE,
        "liveliness": _AUTOMATIC,
        "avoid_ros_namespace_conventions": False,
    }
    limits = {name: dict(_NO_LIMIT) for name in ("deadline", "lifespan", "liveliness_lease_duration")}
    return yaml.safe_dump([profile | limits])


def new_file(folder: Path, robot: str) -> Path:
    """A name in ``folder`` that says the robot, the date and the time, and is not taken."""
    stem = f"{robot}_{datetime.now():%Y-%m-%d_%H-%M-%S}"
    names = (stem, *(f"{stem}_{number}" for number in range(2, 1000)))
    return next(path for name in names if not (path := folder / f"{name}.mcap").exists())
