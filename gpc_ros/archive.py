"""Numpy arrays and one JSON text in an .npz file, so that reading one never runs anything."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpc_ros.errors import GpcError

_TEXT = "about"

Arrays = Mapping[str, NDArray[Any]]


def write(file: Path, about: Mapping[str, Any], arrays: Arrays, *, sync: bool) -> None:
    """Write ``about`` (plain values) and ``arrays`` to ``file``: whole or not at all, what was there stays till then.

    Args:
        file: where to; its folder is there.
        about: what JSON can hold; not a number and infinity included.
        arrays: by names other than "about".
        sync: wait until it is on the disk, so that it outlives a power cut.

    Raises:
        OSError: if it cannot be written.
    """
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    beside = file.with_name(f".{file.name}.part")
    try:
        with beside.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **{_TEXT: text}, **arrays)
            if sync:
                stream.flush()
                os.fsync(stream.fileno())
        beside.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def read(file: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What ``write`` wrote.

    Raises:
        GpcError: one line that names the file, if it is missing, damaged, or something else.
    """
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        about = json.loads(arrays.pop(_TEXT).tobytes())
    except OSError as error:
        raise GpcError(f"{file}: {error.strerror or error}") from None
    except Exception as error:  # zipfile, numpy and json let a dozen kinds through, one per damaged byte
        raise GpcError(f"{file}: damaged or of another kind: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(about, dict):
        raise GpcError(f"{file}: damaged or of another kind: '{_TEXT}' is no JSON object")
    return about, arrays
