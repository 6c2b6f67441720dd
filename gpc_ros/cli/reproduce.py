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
from gpc_ros.control.policy import shipped

_WAYS = {
    "sampling, 128 candidates": ("sampling", {"samples": 128}),
    "policy alone": ("policy", {"samples": 0}),
    "64 candidates and 64 of the policy": ("seeded", {"samples": 64, "seeds": 64}),
}
"""What is compared, at equal numbers of candidates, by the heading of its column."""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = subparsers.add_parser("reproduce", help="published protocols, beside the published figures")
    parser.add_argument("what", choices=("costs",), help="costs: mean cost per step of sampling, policy and both")
    parser.add_argument("--robot", action="append", metavar="ROBOT", help="only this one; any number of times")
    parser.add_argument("--starts", type=int, default=50, metavar="N", help="random starts (default: 50)")
    parser.add_argument("--jobs", type=int, default=2, metavar="J", help="processes (default: 2); changes no result")
    arguments.add_json(parser, "the results")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the protocol and print the table; the exit code."""
    table = Table("robot", "", *_WAYS, "64 and one polish", "seeded cheaper in")
    records = []
    for robot in args.robot or reference_costs.PROTOCOLS:
        protocol = reference_costs.protocol(robot)
        published = {"sampling": protocol.sampling, "policy": protocol.policy, "seeded": protocol.seeded}
        learned = shipped(robot).is_file()
        ways = {name: way for name, way in _WAYS.values() if learned or name == "sampling"}
        found = {name: _costs(robot, args, **way) for name, way in ways.items()}
        found["polished"] = _costs(robot, args, samples=64, polish=1)
        cheaper = f"{np.mean(found['seeded'] < found['sampling']):.0%}" if learned else ""
        table.add_row(robot, "published", *(f"{mean} +- {std}" for mean, std in published.values()))
        table.add_row("", "here", *(_words(found.get(name)) for name in (*published, "polished")), cheaper)
        costs = {name: values.tolist() for name, values in found.items()}
        records.append({"robot": robot, "published": published, "costs": costs})
    Console().print(table)
    arguments.write_json(args.json, records)
    return 0


def _words(costs: np.ndarray | None) -> str:
    return "no policy" if costs is None else f"{costs.mean():.3g} +- {costs.std(ddof=1):.2g}"


def _costs(robot: str, args: argparse.Namespace, **way: int) -> np.ndarray:
    run_start = partial(reference_costs.mean_cost, robot, **way)
    return np.array(list(evaluation.spread(run_start, range(max(2, args.starts)), args.jobs)))
