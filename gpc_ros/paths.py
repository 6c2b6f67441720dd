"""Where data files are: in the source tree if this is one, else installed; those of a guest beside its module."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gpc_ros import registry
from gpc_ros.errors import GpcError

_PACKAGE = Path(__file__).resolve().parent


def share() -> Path:
    """Folder that holds ``models``, ``config`` and ``launch``.

    Raises:
        GpcError: if neither a source tree nor an installed share folder is found.
    """
    prefixes = [sys.prefix, *os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)]
    places = [_PACKAGE.parent, *(Path(prefix) / "share" / "gpc_ros" for prefix in prefixes if prefix)]
    for place in places:
        if (place / "models").is_dir() and (place / "config").is_dir():
            return place
    raise GpcError(f"data files of gpc_ros not found; looked in {', '.join(map(str, places))}")


def home(robot: str) -> Path:
    """Folder whose ``models`` and ``config`` hold the files of ``robot``.

    Raises:
        GpcError: as ``share``.
    """
    return registry.folders().get(robot) or share()
