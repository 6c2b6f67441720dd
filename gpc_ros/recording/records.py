"""The records of an MCAP file, also of one that was cut off at any byte, as by kill -9 or a full disk."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Any, BinaryIO

from gpc_ros.recording.extra import Chunk, Opcode, ReadDataStream, get_chunk_data_stream

_HEAD = struct.Struct("<BQ")  # of a record: opcode, length
_MAGIC_SIZE = 8


class Records:
    """Goes through a file from front to back.

    Attributes:
        cut: whether the end of the data is missing.
        damaged: chunks and records that cannot be read, and were left out.
    """

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.cut = False
        self.damaged = 0
        self._stream = stream
        self._remaining = size - stream.tell()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Opcode and content of every whole record in the data section, those inside of chunks too."""
        while True:
            head = self._read(_HEAD.size)
            if len(head) < _HEAD.size:
                self.cut = True
                return
            opcode, length = _HEAD.unpack(head)
            content = self._read(length)
            self.cut = len(content) < length
            if opcode == Opcode.CHUNK:
                yield from _whole_records(_loose_end(content) if self.cut else self._unpacked(content))
            elif not self.cut:
                yield opcode, content
            if self.cut or opcode in (Opcode.DATA_END, Opcode.FOOTER):
                return

    def parsed(self, kind: Any, content: bytes) -> Any:
        """``content`` as a record of ``kind``; None, and counted, if it is none."""
        record = _parsed(kind, content)
        self.damaged += record is None
        return record

    def _read(self, length: int) -> bytes:
        data = self._stream.read(min(length, self._remaining))
        self._remaining -= len(data)
        return data

    def _unpacked(self, content: bytes) -> bytes:
        """The records in a chunk, one behind the other."""
        if (chunk := self.parsed(Chunk, content)) is None:
            return b""
        try:
            stream, size = get_chunk_data_stream(chunk, validate_crc=True)
            return stream.read(size)
        except Exception:  # as below
            self.damaged += 1
            return b""


def _parsed(kind: Any, content: bytes) -> Any:
    try:
        return kind.read(ReadDataStream(BytesIO(content)))
    except Exception:  # what damaged bytes make mcap, struct, lz4 and zstandard raise is not of one kind
        return None


def _loose_end(content: bytes) -> bytes:
    """What there is of the records in a chunk that was cut off; of a compressed one nothing."""
    chunk = _parsed(Chunk, content)
    return chunk.data if chunk and not chunk.compression else b""


def _whole_records(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _HEAD.size <= len(data):
        opcode, length = _HEAD.unpack_from(data, offset)
        begin = offset + _HEAD.size
        offset = begin + length
        if offset <= len(data):
            yield opcode, data[begin:offset]
