"""``gpc ablate``: what each part of the training is worth, as a table."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from gpc_ros.cli import arguments


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = subparsers.add_parser("ablate", help="train with one part changed at a time; a table of what that does")
    arguments.add_robot(parser)
    parser.add_argument("--seeds", type=arguments.at_least(1), default=3, metavar="N", help="each (default: 3)")
    parser.add_argument("--jobs", type=arguments.at_least(1), default=2, metavar="J", help="processes (default: 2)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table there, as Markdown")
    arguments.add_json(parser, "the results")
    return parser


def run(args: argparse.Namespace) -> int:
    """Train all variants, print and write the table; the exit code."""
    arguments.require_learning("ablate")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from gpc_ros.learning import ablation

    console = Console()

    def progress(name: str, seed: int, result: Mapping[str, Any]) -> None:
        line = f"{name}, seed {seed}: {100 * result['success']:.0f} % after {result['wall_s']:.0f} s"
        console.print(line, highlight=False, soft_wrap=True)

    results = ablation.run(args.robot, args.seeds, jobs=args.jobs, progress=progress)
    table = "\n".join(_table(args.robot, results)) + "\n"
    console.print(table, highlight=False, soft_wrap=True, markup=False)
    if args.out is not None:
        args.out.write_text(table)
    arguments.write_json(args.json, results)
    return 0


def _table(robot: str, results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    seeds = len(next(iter(results.values())))
    lines = [
        f"# What each part of the training of {robot} is worth",
        "",
        f"`gpc ablate {robot} --seeds {seeds}`: success of the policy alone (warm start 1, true state, the training's",
        "own validation), of the best iteration's policy per seed, and of the last iteration's on average.",
        "",
        "| variant | best, per seed [%] | best, mean [%] | last, mean [%] | named start | physics steps | wall time |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, runs in results.items():
        success = [100 * run["success"] for run in runs]
        named = sum(run["named"] for run in runs)
        steps, wall_s = (float(np.mean([run[key] for run in runs])) for key in ("physics_steps", "wall_s"))
        lines.append(
            f"| {name} | {', '.join(f'{value:.0f}' for value in success)} | {np.mean(success):.0f} "
            f"| {100 * np.mean([run['last'] for run in runs]):.0f} | {named} of {seeds} "
            f"| {steps / 1e6:.0f} M | {wall_s:.0f} s |"
        )
    return lines
