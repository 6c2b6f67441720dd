"""``gpc reproduce``: published protocols, run here, beside the published figures."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from gpc_ros import evaluation, reference_costs
from gpc_ros.cli import arguments


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = subparsers.add_parser("reproduce", help="published protocols, beside the published figures")
    parser.add_argument("what", choices=("costs",), help="costs: mean cost per step of plain and polished sampling")
    parser.add_argument("--robot", action="append", metavar="ROBOT", help="only this one; any number of times")
    parser.add_argument("--starts", type=int, default=50, metavar="N", help="random starts (default: 50)")
    parser.add_argument("--jobs", type=int, default=2, metavar="J", help="processes (default: 2); changes no result")
    arguments.add_json(parser, "the results")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the protocol and print the table; the exit code."""
    table = Table("robot", "published", "plain, 128 candidates", "ratio", "64 candidates and one polish")
    records = []
    for robot in args.robot or reference_costs.PROTOCOLS:
        published = reference_costs.protocol(robot).published
        plain = _costs(robot, args, samples=128, polish=0)
        polished = _costs(robot, args, samples=64, polish=1)
        ratio = float(plain.mean()) / published[0]
        figures = [f"{c.mean():.3g} +- {c.std(ddof=1):.2g}" for c in (plain, polished)]
        table.add_row(robot, f"{published[0]} +- {published[1]}", figures[0], f"{ratio:.2f}", figures[1])
        records.append({"robot": robot, "published": published, "plain": plain.tolist(), "polished": polished.tolist()})
    Console().print(table)
    arguments.write_json(args.json, records)
    return 0


def _costs(robot: str, args: argparse.Namespace, *, samples: int, polish: int) -> np.ndarray:
    run_start = partial(reference_costs.mean_cost, robot, samples=samples, polish=polish)
    return np.array(list(evaluation.spread(run_start, range(max(2, args.starts)), args.jobs)))
