"""``gpc eval``: closed loop in lock-step without ROS, from random starts and the named one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from gpc_ros import evaluation, registry
from gpc_ros.cli import arguments
from gpc_ros.control.executive import check_planner
from gpc_ros.errors import GpcError
from gpc_ros.node_parameters import PARAMETERS
from gpc_ros.tasks.base import Task
from gpc_ros.viz import plots


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = subparsers.add_parser("eval", help="success and cost of a planner from many starts, without ROS")
    arguments.add_robot(parser)
    parser.add_argument("--planner", default="spc", help="planner that drives (default: spc)")
    whole = arguments.at_least(0)
    arguments.add_policy(parser)
    parser.add_argument("--starts", type=whole, default=50, metavar="N", help="random starts (default: 50)")
    parser.add_argument("--seed", type=whole, default=0, metavar="S", help="seed of the first start (default: 0)")
    parser.add_argument("--rate", type=float, metavar="HZ", help="rate of the loop (default: the robot's)")
    parser.add_argument("--duration", type=arguments.seconds, metavar="S", help="length of a run (default: the task's)")
    parser.add_argument("--estimator", choices=("ekf", "truth"), default="ekf", help="what the controller sees")
    arguments.add_jobs(parser)
    parser.add_argument(
        "--plot",
        type=arguments.writable("--plot"),
        metavar="FILE",
        help="draw controls and positions from the named start; of planner policy at warm-start levels 0 and 1",
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
        for node in PARAMETERS:
            values[node]["rate_hz"] = args.rate
    setting = evaluation.Setting(args.robot, args.estimator, args.seed, args.duration, dict(values))
    console = Console()

    def progress(index: int, result: Mapping[str, Any]) -> None:
        name = "named" if index == evaluation.NAMED else str(index)
        outcome = "success" if result["success"] else "failure"
        console.print(f"start {name:>5}: {outcome}, mean cost {result['mean_cost']:.4g}", highlight=False)

    planner = values["controller"]["planner"]
    figures = evaluation.evaluate(setting, args.starts, jobs=args.jobs, progress=progress)
    result = {"planner": planner, "parameters": values, **figures}
    named = "succeeds" if result["named_start"]["success"] else "fails"
    random = f"{result['successes']} of {args.starts} random starts, mean cost {result['mean_cost']:.4g}; "
    console.print(
        f"{args.robot} with {planner}, {args.estimator}: {random if args.starts else ''}"
        f"named start {named}, its cost {result['named_start']['cost']:.4g}",
        highlight=False,
        soft_wrap=True,
    )
    arguments.write_json(args.json, result)
    if args.plot is not None:
        console.print(_plot(setting, planner, args.plot), highlight=False, soft_wrap=True)
    return 0


def _plot(setting: evaluation.Setting, planner: str, file: Path) -> str:
    """The run from the named start; of a policy the two levels side by side, as Fig. 4 of arXiv 2502.13406.

    Returns:
        How restless the commands in the picture are, in words.
    """
    given = setting.overrides or {}
    settings = {planner: setting}
    if planner == "policy":
        levels = {level: {**given.get("policy_server", {}), "warm_start": level} for level in (0.0, 1.0)}
        settings = {
            f"warm start {level:g}": replace(setting, overrides={**given, "policy_server": values})
            for level, values in levels.items()
        }
    task: Task = registry.load("tasks", setting.robot, Task)()
    logs = {title: evaluation.named_run(each) for title, each in settings.items()}
    steps = {title: log.summary()["mean_abs_du"] for title, log in logs.items()}
    plots.runs(task, {f"{title}: mean |du| = {steps[title]:.3g}": log for title, log in logs.items()}, file)
    words = ", ".join(f"{step:.4g} with {title}" for title, step in steps.items())
    largest, least = max(steps.values()), min(steps.values())
    ratio = f" ({largest / least:.3g} times as much)" if largest > least > 0 else ""
    return f"{file}: mean step of the command {words}{ratio}"
