"""``gpc list``: robots, planners, update rules, policies."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table

from gpc_ros import config, registry
from gpc_ros.control.base import Planner
from gpc_ros.control.policy import shipped
from gpc_ros.errors import GpcError, InvalidModel
from gpc_ros.sampling.rules.base import UpdateRule
from gpc_ros.tasks.base import Task


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    return subparsers.add_parser("list", help="robots, planners, update rules, policies")


def run(args: argparse.Namespace) -> int:
    """Print what there is."""
    table = Table("kind", "name", "what it is")
    for kind, group, base in (
        ("robot", "tasks", Task),
        ("planner", "control", Planner),
        ("update rule", "sampling.rules", UpdateRule),
    ):
        for name in registry.names(group):
            missing = " (no parameter file)" if kind == "robot" and name not in config.robots() else ""
            table.add_row(kind, name, _about(group, name, base) + missing)
    for robot in config.robots():
        if shipped(robot).is_file():
            table.add_row("policy", robot, _policy(robot))
    Console().print(table)
    return 0


def _about(group: str, name: str, base: type) -> str:
    """The first line of what it says of itself; of what another package offers and cannot be used, why not."""
    try:
        found = registry.load(group, name, base)
    except GpcError as error:
        return str(error)
    return next(iter((found.__doc__ or "").strip().splitlines()), "")


def _policy(robot: str) -> str:
    """What the policy that comes with ``robot`` says of itself."""
    try:
        from gpc_ros.policy import verify  # here: it takes ONNX, which nothing else in the list needs

        data, metadata = verify.read(shipped(robot))
    except InvalidModel as error:
        return str(error)
    network = f"{metadata.architecture.kind} {'x'.join(map(str, metadata.architecture.hidden))}"
    size = f"{metadata.knots} knots, {network}, {len(data) / 1000:.0f} kB"
    success = metadata.training.get("success")
    return f"{size}, {100 * success:.0f} % of starts in training" if isinstance(success, float | int) else size
