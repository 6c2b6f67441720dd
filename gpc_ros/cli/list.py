"""``gpc list``: robots, planners, update rules."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table

from gpc_ros import config, registry
from gpc_ros.control.base import Planner
from gpc_ros.sampling.rules.base import UpdateRule
from gpc_ros.tasks.base import Task


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    return subparsers.add_parser("list", help="robots, planners, update rules")


def run(args: argparse.Namespace) -> int:
    """Print what there is."""
    table = Table("kind", "name", "what it is")
    for kind, group, base in (
        ("robot", "tasks", Task),
        ("planner", "control", Planner),
        ("update rule", "sampling.rules", UpdateRule),
    ):
        for name in registry.names(group):
            found = registry.load(group, name, base)
            about = (found.__doc__ or "").strip().splitlines()[0]
            missing = " (no parameter file)" if kind == "robot" and name not in config.robots() else ""
            table.add_row(kind, name, about + missing)
    Console().print(table)
    return 0
