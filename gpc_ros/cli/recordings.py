"""What the commands that read a recording share: opening it, and saying what is wrong with it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gpc_ros import registry
from gpc_ros.errors import GpcError
from gpc_ros.recording.reader import Recording
from gpc_ros.statistics import Counts
from gpc_ros.tasks.base import Task


def add_file(parser: argparse.ArgumentParser) -> None:
    """The recording."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a recording (MCAP), also one that was cut off")


def add_robot(parser: argparse.ArgumentParser) -> None:
    """The robot, where the recording does not say it."""
    parser.add_argument("--robot", help="the robot, for a recording that does not say it, as one of ros2 bag")


def opened(args: argparse.Namespace) -> Recording:
    """The recording; says what is wrong with it.

    Raises:
        GpcError: if it cannot be read.
    """
    recording = Recording(args.file)
    if recording.flaw:
        total = recording.counts.total()
        print(f"{args.file}: {recording.flaw}; {total} messages in {recording.duration_s:.1f} s", file=sys.stderr)
    if recording.missing:
        print(f"{args.file}: messages missing in it: {recording.missing.text()}", file=sys.stderr)
    return recording


def task_of(recording: Recording, args: argparse.Namespace) -> Task:
    """The task of the recording's robot.

    Raises:
        GpcError: if that is not known.
    """
    robot = args.robot or recording.about.get("robot")
    if not robot:
        raise GpcError(f"{args.file}: does not say which robot it is of: add --robot ROBOT")
    task: Task = registry.load("tasks", robot, Task)()
    return task


def tell_refused(recording: Recording, refused: Counts) -> None:
    """Say what could not be decoded."""
    if refused:
        print(f"{recording.file}: not understood: {refused.text()}", file=sys.stderr)
