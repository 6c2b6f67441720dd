"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import Any

import yaml

from gpc_ros import config
from gpc_ros.errors import GpcError, UnknownName
from gpc_ros.node_parameters import PARAMETERS


def add_robot(parser: argparse.ArgumentParser) -> None:
    """The robot; refused by name, with the list of valid ones."""
    parser.add_argument("robot", metavar="ROBOT", type=_robot, help=f"one of {', '.join(config.robots())}")


def _robot(name: str) -> str:
    config.file_of(name)
    return name


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """``-p node.name=value``, any number of times."""
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NODE.NAME=VALUE",
        help="set a parameter of a node, as simulator.noise.position=0.01",
    )


def overrides(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Parameters given with ``-p``, by node.

    Raises:
        GpcError: if one is not of the form NODE.NAME=VALUE, or names no node.
    """
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for text in args.parameter:
        target, equals, value = text.partition("=")
        node, dot, name = target.partition(".")
        if not (equals and dot and name):
            raise GpcError(f"-p {text}: expected NODE.NAME=VALUE, as simulator.noise.position=0.01")
        if node not in PARAMETERS:
            raise UnknownName("node", node, PARAMETERS)
        found[node][name] = yaml.safe_load(value)
    return found
