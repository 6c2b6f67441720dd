"""Where the package's data files are: the source tree if this is one, else the installed share folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

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
