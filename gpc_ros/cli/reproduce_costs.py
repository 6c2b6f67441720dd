"""Mean cost per step of sampling, of the policy and of both, at equal numbers of candidates."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from gpc_ros import fingerprint, reference_costs
from gpc_ros.cli import arguments
from gpc_ros.control.policy import shipped
from gpc_ros.ledger import Key, Ledger
from gpc_ros.viz.comparison import Panel

HELP = "mean cost per step of sampling, policy and both"
_WAYS = {
    "sampling, 128 candidates": ("sampling", {"samples": 128}),
    "policy alone": ("policy", {"samples": 0}),
    "64 candidates and 64 of the policy": ("seeded", {"samples": 64, "seeds": 64}),
}
"""What is compared, at equal numbers of candidates, by the heading of its column."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own arguments."""
    arguments.add_robots(parser, reference_costs.PROTOCOLS, least=2)


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the protocol and print the table; its records."""
    table = Table("robot", "", *_WAYS, "64 and one polish", "seeded cheaper in")
    console, ledger = Console(), Ledger(args.out)
    records: list[dict[str, Any]] = []
    for robot in args.robot or reference_costs.PROTOCOLS:
        protocol = reference_costs.protocol(robot)
        published = {"sampling": protocol.sampling, "policy": protocol.policy, "seeded": protocol.seeded}
        learned = shipped(robot).is_file()
        ways = {name: way for name, way in _WAYS.values() if learned or name == "sampling"}
        found = {}
        for name, way in {**ways, "polished": {"samples": 64, "polish": 1}}.items():
            found[name] = _costs(ledger, robot, args, **way)
            console.print(f"{robot}, {name}: {_words(found[name])}", highlight=False)
        cheaper = f"{np.mean(found['seeded'] < found['sampling']):.0%}" if learned else ""
        table.add_row(robot, "published", *(f"{mean} +- {std}" for mean, std in published.values()))
        table.add_row("", "here", *(_words(found.get(name)) for name in (*published, "polished")), cheaper)
        costs = {name: values.tolist() for name, values in found.items()}
        records.append({"robot": robot, "published": published, "costs": costs})
    console.print(table)
    if without := [record["robot"] for record in records if "policy" not in record["costs"]]:
        words = (
            f"no policy in models/ for {', '.join(without)}: only sampling was run (gpc train and gpc card make one)"
        )
        console.print(words, highlight=False, soft_wrap=True)
    return records


def panels(records: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """The costs, published and here; a panel for each robot."""
    return [
        Panel(
            f"{record['robot']}: mean cost per step",
            {
                "published": record["published"],
                "here": {way: _mean_and_spread(np.array(costs)) for way, costs in record["costs"].items()},
            },
        )
        for record in records
    ]


def _mean_and_spread(costs: np.ndarray) -> tuple[float, float]:
    return float(costs.mean()), float(costs.std(ddof=1))


def _words(costs: np.ndarray | None) -> str:
    return "" if costs is None else "{:.3g} +- {:.2g}".format(*_mean_and_spread(costs))


def _costs(ledger: Ledger, robot: str, args: argparse.Namespace, **way: int) -> np.ndarray:
    from gpc_ros.policy import verify

    asked = way["samples"] == 0 or way.get("seeds", 0) > 0
    made_by = verify.read(shipped(robot))[1].sha256 if asked else ""
    protocol = dataclasses.asdict(reference_costs.protocol(robot))
    about = {"robot": robot, "model": fingerprint.of_robot(robot), "policy": made_by, "way": way, "protocol": protocol}
    return np.array(ledger.results(_cost, [{**about, "start": start} for start in range(args.starts)], args.jobs))


def _cost(key: Key) -> float:
    return reference_costs.mean_cost(key["robot"], key["start"], **key["way"])
