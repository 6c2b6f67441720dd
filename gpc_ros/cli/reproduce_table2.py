"""Time in which the crane goes to 51 goals, with a perfect model and with a model error."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from gpc_ros import fingerprint, goal_tour
from gpc_ros.cli import arguments
from gpc_ros.control.executive import check_planner
from gpc_ros.control.policy import policy_file
from gpc_ros.errors import GpcError
from gpc_ros.ledger import Key, Ledger
from gpc_ros.viz.comparison import Panel

HELP = "the crane's time for 51 goals, with and without model error"
_PUBLISHED = {
    "no randomization": (106, 165),
    "average over 8 domains": (103, 184),
    "worst quarter of 8 domains": (133, 139),
}
"""Times [s] of the policy alone, without and with model error (arXiv 2502.13406, Table II)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own arguments."""
    parser.add_argument(
        "--policy",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="a policy file; any number of times (default: the robot's)",
    )
    parser.add_argument(
        "--planner", action="append", metavar="NAME", help="what drives; any number of times (default: policy)"
    )
    parser.add_argument("--seeds", type=arguments.at_least(1), default=1, metavar="N", help="tours (default: 1)")
    parser.add_argument(
        "--goals", type=arguments.at_least(1), default=goal_tour.GOALS, metavar="N", help="per tour (default: 51)"
    )
    parser.add_argument("--estimator", choices=("ekf", "truth"), default="ekf", help="what the controller sees")


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the protocol and print the table; its records."""
    table = Table("crane", "time [s]", "with model error [s]", "goals reached")
    for name, times in _PUBLISHED.items():
        table.add_row(f"published, {name}", *map(str, times), "")
    ledger, records = Ledger(args.out), []
    for name, setting in _settings(args).items():
        about = {**setting, "estimator": args.estimator, "goals": args.goals}
        keys = [{**about, "error": error, "seed": seed} for error in (False, True) for seed in range(args.seeds)]
        tours = ledger.results(_tour, keys, args.jobs)
        plain, wrong = tours[: args.seeds], tours[args.seeds :]
        table.add_row(name, _words(plain), _words(wrong), f"{_reached(plain)}, {_reached(wrong)}")
        records.append({"name": name, **about, "tours": plain, "tours_with_error": wrong})
    Console().print(table)
    return records


def panels(records: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """The times without and with model error, published and here."""
    bars: dict[str, dict[str, tuple[float, float]]] = {"perfect model": {}, "model error": {}}
    for name, times in _PUBLISHED.items():
        for series, time_s in zip(bars.values(), times, strict=True):
            series[f"published, {name}"] = (time_s, 0.0)
    for record in records:
        for series, tours in zip(bars.values(), (record["tours"], record["tours_with_error"]), strict=True):
            series[record["name"]] = _mean_and_spread(tours)
    return [Panel("the crane's time for the tour [s]", bars)]


def _settings(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What is to be run, by the name of its row."""
    from gpc_ros.policy import verify

    found: dict[str, dict[str, Any]] = {}
    for planner in args.planner or ["policy"]:
        check_planner(planner, "--planner")
        if planner not in ("policy", "seeded_spc"):
            found[planner] = {"planner": planner, "policy": ""}
            continue
        for given in args.policy or [""]:
            name, equals, file = given.rpartition("=")
            path = policy_file(goal_tour.ROBOT, file)
            named = f"{planner}, {name or Path(file).stem}" if equals or file else planner
            if named in found:
                raise GpcError(f"--policy {given}: there is a '{named}' already; call one of them otherwise, NAME=FILE")
            found[named] = {"planner": planner, "policy": str(path.resolve()), "sha256": verify.read(path)[1].sha256}
    return {name: {**setting, "model": fingerprint.of_robot(goal_tour.ROBOT)} for name, setting in found.items()}


def _tour(key: Key) -> dict[str, float]:
    overrides: dict[str, dict[str, Any]] = {"controller": {"planner": key["planner"]}, "spc": {"threads": 1}}
    if key["policy"]:
        overrides["policy_server"] = {"model_file": key["policy"]}
    tour = goal_tour.run(
        seed=key["seed"], error=key["error"], count=key["goals"], estimator=key["estimator"], overrides=overrides
    )
    return asdict(tour)


def _words(tours: list[dict[str, float]]) -> str:
    mean, spread = _mean_and_spread(tours)
    return f"{mean:.1f} +- {spread:.1f}" if len(tours) > 1 else f"{mean:.1f}"


def _mean_and_spread(tours: list[dict[str, float]]) -> tuple[float, float]:
    times = [tour["total_s"] for tour in tours]
    return float(np.mean(times)), float(np.std(times, ddof=1)) if len(times) > 1 else 0.0


def _reached(tours: list[dict[str, float]]) -> str:
    return f"{np.mean([tour['reached'] for tour in tours]):.3g}"
