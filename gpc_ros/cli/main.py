"""``gpc``: one console script; each command is one file here with ``add_parser`` and ``run``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from gpc_ros import __version__
from gpc_ros.errors import GpcError

_COMMANDS = (
    *("up", "replay", "plot", "rerun", "eval", "train", "export", "check", "card", "ablate"),
    *("bench", "doctor", "list", "reference", "render", "reproduce"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code. A mistake of the user is one line and code 2."""
    parser = argparse.ArgumentParser(prog="gpc", description="Generative predictive control for ROS 2.")
    parser.add_argument("--version", action="version", version=f"gpc_ros {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in _COMMANDS:
        module = importlib.import_module(f"gpc_ros.cli.{name if name != 'eval' else 'evaluate'}")
        module.add_parser(subparsers).set_defaults(run=module.run)
    try:
        args = parser.parse_args(argv)
        return int(args.run(args))
    except GpcError as error:
        print(f"gpc: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
