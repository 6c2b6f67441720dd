"""Node ``monitor``."""

from __future__ import annotations

from gpc_ros.nodes.running import run
from gpc_ros.nodes.shell import Shell


class Monitor(Shell):
    """Watches the stack."""

    name = "monitor"


def main() -> int:
    """Entry point."""
    return run([Monitor])


if __name__ == "__main__":
    raise SystemExit(main())
