"""Node ``web``."""

from __future__ import annotations

from gpc_ros.nodes.running import run
from gpc_ros.nodes.shell import Shell


class Web(Shell):
    """Serves the page."""

    name = "web"


def main() -> int:
    """Entry point."""
    return run([Web])


if __name__ == "__main__":
    raise SystemExit(main())
