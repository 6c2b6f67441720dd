"""``gpc ablate``: what each part of the training is worth, as a table."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from gpc_ros.cli import arguments
from gpc_ros.errors import GpcError
from gpc_ros.ledger import Ledger

Result = Mapping[str, Any]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = subparsers.add_parser("ablate", help="train with one part changed at a time; a table of what that does")
    arguments.add_robot(parser)
    parser.add_argument("--seeds", type=arguments.at_least(1), default=3, metavar="N", help="each (default: 3)")
    parser.add_argument(
        "--share", type=_share, default=0.5, metavar="S", help="of the configured robots and iterations (default: 0.5)"
    )
    arguments.add_jobs(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table there, as Markdown")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="the results so far, with which the same command goes on (default: runs/ablate_ROBOT.json)",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Train what has not been trained yet, print and write the table after each; the exit code."""
    arguments.require_learning("ablate")
    from gpc_ros.learning import ablation

    console = Console()
    jobs = ablation.jobs_of(args.robot, args.seeds, args.share)
    file = args.json or Path("runs") / f"ablate_{args.robot}.json"
    ledger = Ledger(file)
    left = [job for job in jobs if "success" not in (ledger.get(job.key) or {})]  # a failure may be want of memory
    line = f"{len(jobs)} trainings, {len(jobs) - len(left)} of them in {file} already"
    console.print(line, highlight=False, soft_wrap=True)
    _write(args, jobs, ledger)
    try:
        for job, result in ablation.run(left, processes=args.jobs):
            ledger.keep(job.key, {"variant": job.variant, **result})
            _write(args, jobs, ledger)
            console.print(_line(job, result), highlight=False, soft_wrap=True)
    except KeyboardInterrupt:
        console.print(f"interrupted; the same command goes on from {file}", highlight=False, soft_wrap=True)
        return 130
    console.print(_table(args, jobs, ledger), highlight=False, soft_wrap=True, markup=False)
    return 0


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise GpcError(f"--share {text}: must be above 0 and at most 1")
    return value


def _write(args: argparse.Namespace, jobs: Sequence[Any], ledger: Ledger) -> None:
    try:
        if args.out is not None:
            args.out.write_text(_table(args, jobs, ledger))
    except OSError as error:
        raise GpcError(f"{args.out}: {error.strerror}") from None


def _line(job: Any, result: Result) -> str:
    name = f"{job.variant}, seed {job.parameters.seed}"
    if "failed" in result:
        return f"{name}: failed: {result['failed']}"
    return f"{name}: {100 * result['success']:.0f} % after {result['wall_s']:.0f} s"


def _table(args: argparse.Namespace, jobs: Sequence[Any], ledger: Ledger) -> str:
    rows: dict[str, list[Result | None]] = {}
    for job in jobs:
        rows.setdefault(job.variant, []).append(ledger.get(job.key))
    done = sum(run is not None for runs in rows.values() for run in runs)
    p = jobs[0].parameters
    lines = [
        f"# What each part of the training of {args.robot} is worth",
        "",
        f"`gpc ablate {args.robot} --seeds {args.seeds} --share {args.share:g}` ({p.iterations} iterations, "
        f"{p.environments} robots): success of the policy",
        "alone (warm start 1, true state, the training's own validation), of the best iteration's policy per seed, and",
        f"of the last iteration's on average. {done} of {len(jobs)} trainings are done.",
        "",
        "| variant | best, per seed [%] | best, mean [%] | last, mean [%] | named start | physics steps | wall time |",
        "|---|---|---|---|---|---|---|",
        *(_row(name, found) for name, found in rows.items()),
        *_failures(rows),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, found: Sequence[Result | None]) -> str:
    runs = [run for run in found if run and "success" in run]
    per_seed = ", ".join("" if run is None else _percent(run.get("success")) for run in found)
    if not runs:
        return f"| {name} | {per_seed} | | | | | |"
    best, last, steps, wall_s = (
        float(np.mean([run[key] for run in runs])) for key in ("success", "last", "physics_steps", "wall_s")
    )
    named = sum(run["named"] for run in runs)
    return (
        f"| {name} | {per_seed} | {_percent(best)} | {_percent(last)} | {named} of {len(runs)} "
        f"| {steps / 1e6:.0f} M | {wall_s:.0f} s |"
    )


def _percent(share: float | None) -> str:
    return "failed" if share is None else f"{100 * share:.0f}"


def _failures(rows: Mapping[str, Sequence[Result | None]]) -> list[str]:
    found = [f"- {name}: {run['failed']}" for name, runs in rows.items() for run in runs if run and "failed" in run]
    return ["", "Failed:", "", *found] if found else []
