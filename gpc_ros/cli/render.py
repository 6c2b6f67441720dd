"""``gpc render``: a closed-loop run as a GIF, in lock-step, without ROS and without a screen."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from gpc_ros.cli import arguments
from gpc_ros.closed_loop import ClosedLoop
from gpc_ros.control.executive import check_planner
from gpc_ros.errors import GpcError
from gpc_ros.viz import render
from gpc_ros.viz.render import Camera, Picture

_LEAST = 16  # pixels


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "render", help="a run as an animation: lock-step, without ROS, without a screen"
    )
    arguments.add_robot(parser)
    parser.add_argument("--planner", help="planner that drives (default: the robot's)")
    arguments.add_policy(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help=".gif, or .png of the end (default: ROBOT.gif)")
    parser.add_argument("--seconds", type=arguments.seconds, default=8.0, metavar="S", help="length (default: 8)")
    parser.add_argument("--size", default="480x270", metavar="WxH", help="in pixels (default: 480x270)")
    parser.add_argument("--fps", type=arguments.at_least(1), default=20, metavar="N", help="a second (default: 20)")
    parser.add_argument("--camera", default="", metavar="NAME", help="camera of the model (default: one that follows)")
    parser.add_argument("--zoom", type=_zoom, default=1.0, metavar="X", help="so many times as large (default: 1)")
    arguments.add_overrides(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run, draw, write; the exit code."""
    file = args.out or Path(f"{args.robot}.gif")
    render.check_file(file)
    given = arguments.overrides(args)
    given["simulator"].setdefault("start", "named")
    if args.planner is not None:
        check_planner(args.planner, "planner")
        given["controller"]["planner"] = args.planner
    loop = ClosedLoop(args.robot, overrides=given)
    try:
        pictures = list(_pictures(loop, args))
    finally:
        loop.close()
    render.save(pictures, file, rate_hz=args.fps)
    result = loop.log.summary()
    Console().print(
        f"{file}: {len(pictures)} pictures, {file.stat().st_size / 1e6:.2f} MB; {args.robot} "
        f"{'holds' if result['success'] else 'does not hold'} the goal at the end, mean cost {result['mean_cost']:.4g}",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _pictures(loop: ClosedLoop, args: argparse.Namespace) -> Iterator[Picture]:
    width, height = _size(args.size)
    with Camera(loop.simulation.model, width=width, height=height, name=args.camera, zoom=args.zoom) as camera:
        yield camera.take(loop.simulation.data)
        for _ in range(round(args.seconds * args.fps)):
            loop.run(1.0 / args.fps)
            yield camera.take(loop.simulation.data)


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and min(int(width), int(height)) >= _LEAST):
        raise GpcError(f"--size {text}: expected WIDTHxHEIGHT in pixels, of at least {_LEAST}, as 480x270")
    return int(width), int(height)


def _zoom(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 10:
        raise GpcError(f"--zoom {text}: expected a number from 0.1 to 10")
    return value
