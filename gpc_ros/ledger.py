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
        file: JSON, written at once, so that a wrong place is told before hours of work; None: kept in memory only.

    Raises:
        GpcError: if the file is there and is not such a ledger, or cannot be written.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._found: dict[str, Any] = {}
        if file is None:
            return
        try:
            found = json.loads(file.read_text()) if file.exists() else {}
            if not all('"gpc_ros": ' in name for name in found):
                raise ValueError("of something else")
            self._found = dict(found)
        except (OSError, ValueError, TypeError):
            raise GpcError(f"{file}: is not a file of results; name another, or remove it") from None
        self._write()

    def get(self, key: Key) -> Any:
        """The result of ``key``; None if there is none yet."""
        return self._found.get(_name(key))

    def keep(self, key: Key, result: Any) -> None:
        """Write ``result``, of values that JSON has, as that of ``key``, in place of one before.

        Raises:
            GpcError: if the file cannot be written.
        """
        self._found[_name(key)] = result
        self._write()

    def results(self, function: Callable[[Key], Any], keys: Sequence[Key], jobs: int = 1) -> list[Any]:
        """``function`` of each of ``keys``, in order; those that are not known yet on ``jobs`` processes."""
        missing = [key for key in keys if _name(key) not in self._found]
        for key, result in zip(missing, spread(function, missing, jobs), strict=True):
            self.keep(key, result)
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
