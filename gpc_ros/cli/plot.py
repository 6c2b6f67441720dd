"""``gpc plot``: figures of a recorded run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gpc_ros.cli import recordings
from gpc_ros.errors import GpcError
from gpc_ros.recording.history import History
from gpc_ros.viz import recording_plots


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "plot", help="draw a recording: state, command, latency, cost; needs no ROS"
    )
    recordings.add_file(parser)
    parser.add_argument("--out", type=Path, metavar="PNG", help="the picture (default: beside the recording)")
    recordings.add_robot(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Draw; the exit code.

    Raises:
        GpcError: if the recording cannot be read or holds nothing to draw, or the picture cannot be written.
    """
    from gpc_ros.nodes import cdr

    recording = recordings.opened(args)
    task = recordings.task_of(recording, args)
    history = History(recording, cdr)
    recordings.tell_refused(recording, history.refused)
    if not history.tracks:
        raise GpcError(f"{args.file}: nothing to draw, only {', '.join(sorted(recording.channels))}")
    file = args.out or args.file.with_suffix(".png")
    drivers = " ".join(dict.fromkeys(name for _, name in history.drivers if name != "none"))
    words = (task.name, drivers, recording.about.get("begin", ""), f"{recording.duration_s:.1f} s")
    recording_plots.recording(task, history, ", ".join(filter(None, words)), file)
    print(file)
    return 0
