"""``gpc eval``: closed loop in lock-step without ROS, from random starts and the named one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from gpc_ros import evaluation
from gpc_ros.cli import arguments
from gpc_ros.control.executive import check_planner
from gpc_ros.errors import GpcError


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = subparsers.add_parser("eval", help="success and cost of a planner from many starts, without ROS")
    arguments.add_robot(parser)
    parser.add_argument("--planner", default="spc", help="planner that drives (default: spc)")
    whole = arguments.at_least(0)
    parser.add_argument("--starts", type=whole, default=50, metavar="N", help="random starts (default: 50)")
    parser.add_argument("--seed", type=whole, default=0, metavar="S", help="seed of the first start (default: 0)")
    parser.add_argument("--rate", type=float, metavar="HZ", help="rate of the loop (default: the robot's)")
    parser.add_argument("--duration", type=arguments.seconds, metavar="S", help="length of a run (default: the task's)")
    parser.add_argument("--estimator", choices=("ekf", "truth"), default="ekf", help="what the controller sees")
    parser.add_argument(
        "--jobs", type=arguments.at_least(1), default=2, metavar="J", help="processes (default: 2); changes no result"
    )
    arguments.add_json(parser, "the results")
    arguments.add_overrides(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Evaluate and print; the exit code."""
    check_planner(args.planner, "planner")
    values = arguments.overrides(args)
    if own := {"start", "seed"} & values["simulator"].keys():
        raise GpcError(f"-p simulator.{min(own)}: gpc eval sets it itself, by --starts and --seed")
    values["controller"].setdefault("planner", args.planner)
    if args.rate is not None:
        for node in ("simulator", "estimator", "spc", "controller"):
            values[node]["rate_hz"] = args.rate
    setting = evaluation.Setting(args.robot, args.estimator, args.seed, args.duration, dict(values))
    console = Console()

    def progress(index: int, result: Mapping[str, Any]) -> None:
        name = "named" if index == evaluation.NAMED else str(index)
        outcome = "success" if result["success"] else "failure"
        console.print(f"start {name:>5}: {outcome}, mean cost {result['mean_cost']:.4g}", highlight=False)

    planner = values["controller"]["planner"]
    result = {"planner": planner, **evaluation.evaluate(setting, args.starts, jobs=args.jobs, progress=progress)}
    named = "succeeds" if result["named_start"]["success"] else "fails"
    console.print(
        f"{args.robot} with {planner}, {args.estimator}: {result['successes']} of {args.starts} random starts, "
        f"named start {named}, mean cost {result['mean_cost']:.4g}"
    )
    arguments.write_json(args.json, result)
    return 0
