"""``gpc reproduce``: published protocols, run here, beside the published figures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gpc_ros.cli import arguments, reproduce_costs, reproduce_table1, reproduce_table2
from gpc_ros.viz import comparison

_PROTOCOLS = {"costs": reproduce_costs, "table1": reproduce_table1, "table2": reproduce_table2}


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "reproduce", help="published protocols, beside the published figures"
    )
    protocols = parser.add_subparsers(dest="protocol", required=True, metavar="PROTOCOL")
    for name, module in _PROTOCOLS.items():
        each = protocols.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(each)
        arguments.add_jobs(each)
        each.add_argument(
            "--out", type=Path, metavar="FILE", help="keep every result there; the same command goes on from it"
        )
        each.add_argument(
            "--plot", type=arguments.writable("--plot"), metavar="FILE", help="draw the table as bars (.png)"
        )
        arguments.add_json(each, "the table")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the protocol, print the table and draw it if asked; the exit code."""
    protocol = _PROTOCOLS[args.protocol]
    records = protocol.run(args)
    arguments.write_json(args.json, records)
    if args.plot:
        comparison.comparison(protocol.panels(records), args.plot)
    return 0
