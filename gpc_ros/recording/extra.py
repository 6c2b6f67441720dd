"""The package ``mcap``: an extra, which the rest does without. Where it is missing, one line says what to do."""

from gpc_ros.errors import GpcError

try:
    from mcap.data_stream import ReadDataStream
    from mcap.opcode import Opcode
    from mcap.records import Channel, Chunk, Metadata, Schema
    from mcap.stream_reader import get_chunk_data_stream
    from mcap.writer import CompressionType, Writer
except ImportError as error:
    raise GpcError(f"recordings need {error.name}: python3 -m pip install 'gpc_ros[watch]'") from None

if not hasattr(Writer, "flush"):
    raise GpcError("recordings need a newer mcap: python3 -m pip install 'mcap>=1.5'")

__all__ = [
    "Channel",
    "Chunk",
    "CompressionType",
    "Metadata",
    "Opcode",
    "ReadDataStream",
    "Schema",
    "Writer",
    "get_chunk_data_stream",
]
