"""``gpc reference``: every topic, node, parameter, planner and robot, as Markdown."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from gpc_ros import reference
from gpc_ros.errors import GpcError


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "reference", help="all topics, parameters, planners and robots, as Markdown"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there (default: to the terminal)")
    return parser


def run(args: argparse.Namespace) -> int:
    """Write or print the reference; the exit code.

    Raises:
        GpcError: if the file cannot be written.
    """
    if args.out is None:
        sys.stdout.write(text())
        return 0
    try:
        args.out.write_text(text())
    except OSError as error:
        raise GpcError(f"--out {args.out}: {error.strerror}") from None
    return 0


def text() -> str:
    """The reference of what is installed here."""
    from gpc_ros.learning.parameters import TrainParameters

    return reference.markdown({"train": TrainParameters})
