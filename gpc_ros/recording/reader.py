"""Reads recordings: MCAP files of ROS 2 messages, ours and those of ``ros2 bag``, whole ones and ones cut off."""

from __future__ import annotations

import json
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from gpc_ros.errors import GpcError
from gpc_ros.signals import NS_PER_S
from gpc_ros.statistics import Counts

_MAGIC = b"\x89MCAP0\r\n"
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time


@dataclass(frozen=True, slots=True)
class Channel:
    """A recorded topic with its namespace, and the type of its messages as package/Type."""

    topic: str
    kind: str


class Message(NamedTuple):
    """One message: when it arrived and was published [ns, system clock], the publisher's count of it, its bytes."""

    channel: Channel
    log_ns: int
    publish_ns: int
    sequence: int
    data: bytes

    @property
    def sent_ns(self) -> int:
        """When it was published [ns], or arrived: not every recorder notes the first."""
        return self.publish_ns or self.log_ns


@dataclass(frozen=True, slots=True)
class Setting:
    """Parameters of ``node`` by dotted name, that were in force or changed at ``time_ns``."""

    node: str
    time_ns: int
    values: dict[str, Any]


class Recording:
    """A recording, surveyed once from front to back.

    Attributes:
        about: what the recorder said of the run (``robot``, ``version``, ``namespace``...); empty in others' files.
        settings: the nodes' parameters, in the order of time.
        counts: messages by topic.
        missing: messages by topic that the recorder knew to be missing at its end.
        begin_ns: arrival of the first message [ns]; ``end_ns`` of the last one.
        flaw: what is wrong with the file, in words; empty if nothing is.

    Raises:
        GpcError: if ``mcap`` is not installed, or the file is missing, something else, or without a ROS 2 message.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.about: dict[str, str] = {}
        self.settings: list[Setting] = []
        self.counts = Counts()
        self.missing = Counts()
        self.begin_ns, self.end_ns = 2**63, 0
        self.flaw = ""
        self._channels: dict[int, Channel] = {}
        for message in self._all(survey=True):
            self.counts[message.channel.topic] += 1
            self.begin_ns, self.end_ns = min(self.begin_ns, message.log_ns), max(self.end_ns, message.log_ns)
        if not self.counts:
            raise GpcError(f"{file}: holds no messages of ROS 2{f' ({self.flaw})' if self.flaw else ''}")
        self.settings.sort(key=lambda setting: setting.time_ns)

    @property
    def duration_s(self) -> float:
        """From the first message to the last [s]."""
        return (self.end_ns - self.begin_ns) / NS_PER_S

    @property
    def channels(self) -> dict[str, Channel]:
        """Channels with messages, by topic."""
        return {channel.topic: channel for channel in self._channels.values() if channel.topic in self.counts}

    def name(self, topic: str) -> str:
        """``topic`` as it is without the namespace of the stack and without a slash in front."""
        return topic.removeprefix(self.about.get("namespace", "/").rstrip("/") + "/").lstrip("/")

    def initial(self, node: str) -> dict[str, Any]:
        """Parameters of ``node`` at the start; empty if they were not recorded."""
        return next((setting.values for setting in self.settings if setting.node == node), {})

    def messages(self, names: Collection[str] | None = None) -> Iterator[Message]:
        """All messages, or those of the topics that ``name`` gives one of ``names``, in the order of the file.

        That is the order of arrival, or nearly; on one topic exactly.
        """
        wanted = {topic for topic in self.counts if names is None or self.name(topic) in names}
        return (message for message in self._all() if message.channel.topic in wanted)

    def _all(self, *, survey: bool = False) -> Iterator[Message]:
        from gpc_ros.recording import extra  # here: without recordings nobody needs it
        from gpc_ros.recording.records import Records

        schemas: dict[int, str] = {}
        channels: dict[int, Channel] = {}
        with self._open() as stream:
            records = Records(stream, self.file.stat().st_size)
            for opcode, content in records:
                if opcode == extra.Opcode.MESSAGE and len(content) >= _MESSAGE.size:
                    number, sequence, log_ns, publish_ns = _MESSAGE.unpack_from(content)
                    if number in channels:
                        yield Message(channels[number], log_ns, publish_ns, sequence, content[_MESSAGE.size :])
                elif opcode == extra.Opcode.SCHEMA and (schema := records.parsed(extra.Schema, content)):
                    schemas[schema.id] = schema.name.replace("/msg/", "/")
                elif opcode == extra.Opcode.CHANNEL and (channel := records.parsed(extra.Channel, content)):
                    if channel.message_encoding == "cdr":
                        channels[channel.id] = Channel(channel.topic, schemas.get(channel.schema_id, ""))
                elif opcode == extra.Opcode.METADATA and survey and (note := records.parsed(extra.Metadata, content)):
                    records.damaged += not self._take(note.name, note.metadata)
        if survey:
            self._channels = channels
            damage = f"{records.damaged} damaged parts left out" if records.damaged else ""
            self.flaw = ", ".join(filter(None, ("cut off" if records.cut else "", damage)))

    def _take(self, name: str, values: dict[str, str]) -> bool:
        """Take in a metadata record; whether it could be read."""
        try:
            if name == "gpc_ros":
                self.about.update(values)
            elif name == "parameters":
                content = dict(json.loads(values["values"]))
                self.settings.append(Setting(values["node"], int(values["time_ns"]), content))
            elif name == "missing":
                self.missing.update({topic: int(number) for topic, number in values.items()})
        except (KeyError, TypeError, ValueError):
            return False
        return True

    def _open(self) -> BinaryIO:
        try:
            stream = self.file.open("rb")
        except OSError as error:
            raise GpcError(f"{self.file}: {error.strerror}") from None
        if stream.read(len(_MAGIC)) != _MAGIC:
            stream.close()
            raise GpcError(f"{self.file}: not an MCAP file")
        return stream
