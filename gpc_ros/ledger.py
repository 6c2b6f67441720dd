"""Results of long evaluations in a file, so that the same command goes on where it was interrupted."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gpc_ros
from gpc_ros.errors import GpcError
from gpc_ros.evaluation import spread

Key = Mapping[str, Any]
"""What a result is of, in values that JSON has."""


class Ledger:
    """Results by what they are of and by the version of gpc_ros, written after each.

    Args:
        file: JSON, made when there is a first result; None: results are kept in memory only.

    Raises:
        GpcError: if the file is there and is not such a ledger.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._found: dict[str, Any] = {}
        if file is not None and file.exists():
            try:
                self._found = dict(json.loads(file.read_text()))
            except (OSError, ValueError, TypeError):
                raise GpcError(f"{file}: is not a file of results; name another, or remove it") from None

    def results(self, function: Callable[[Key], Any], keys: Sequence[Key], jobs: int = 1) -> list[Any]:
        """``function`` of each of ``keys``, in order; those that are not known yet on ``jobs`` processes."""
        missing = [key for key in keys if _name(key) not in self._found]
        for key, result in zip(missing, spread(function, missing, jobs), strict=True):
            self._found[_name(key)] = result
            self._write()
        return [self._found[_name(key)] for key in keys]

    def _write(self) -> None:
        if self._file is None:
            return
        partial = self._file.with_suffix(".partial")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(self._found, indent=1))
            os.replace(partial, self._file)
        except OSError as error:
            raise GpcError(f"{self._file}: {error.strerror}") from None


def _name(key: Key) -> str:
    return json.dumps({"gpc_ros": gpc_ros.__version__, **key}, sort_keys=True)
