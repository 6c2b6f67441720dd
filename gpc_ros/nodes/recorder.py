"""Node ``recorder``."""

from __future__ import annotations

from gpc_ros.nodes.running import run
from gpc_ros.nodes.shell import Shell


class Recorder(Shell):
    """Records."""

    name = "recorder"


def main() -> int:
    """Entry point."""
    return run([Recorder])


if __name__ == "__main__":
    raise SystemExit(main())
