"""``gpc doctor``: what on this machine stands in the way, and the command that mends it."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gpc_ros.cli import checks, loopback
from gpc_ros.cli.checks import Check
from gpc_ros.errors import GpcError

_MAKE = "python3 -m pip install -c requirements/lock.txt -e '.[ros]'"
_FAST_DDS = "export RMW_IMPLEMENTATION=rmw_fastrtps_cpp"


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "doctor", help="what stands in the way here, and what mends it"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the checks here too")
    return parser


def run(args: argparse.Namespace) -> int:
    """Look at everything, tell, and return 1 only if something is missing that the stack cannot run without.

    Raises:
        GpcError: if the file for ``--json`` cannot be written.
    """
    found = checks.machine(os.environ) + middleware()
    show(found, Console())
    if args.json:
        try:
            args.json.write_text(json.dumps({"checks": [asdict(check) for check in found]}, indent=2) + "\n")
        except OSError as error:
            raise GpcError(f"{args.json}: {error.strerror}") from None
    return exit_code(found)


def exit_code(found: Sequence[Check]) -> int:
    """1 if a required check failed, else 0."""
    return int(any(check.required and not check.ok for check in found))


def show(found: Sequence[Check], console: Console) -> None:
    """A table of all checks, then the commands that mend, unbroken, so that they can be copied."""
    table = Table("check", "", "found")
    for check in found:
        state = "[green]ok" if check.ok else "[bold red]FAILED" if check.required else "[yellow]warning"
        table.add_row(check.name, state, escape(check.detail))
    console.print(table)
    for check in found:
        if check.fix and not check.ok:
            console.print(f"[bold]{check.name}[/bold]: {escape(check.fix)}", soft_wrap=True, highlight=False)


def require_ros() -> None:
    """Refuse in one line what cannot work without ROS 2.

    Raises:
        GpcError: if rclpy is not installed; says how to get it.
    """
    if find_spec("rclpy") is None:
        raise GpcError(f"this needs ROS 2, and there is no rclpy: source a ROS 2, or {_MAKE}")


def middleware() -> list[Check]:
    """ROS 2: whether it can be imported, whether messages pass between processes, and only within this machine."""
    from gpc_ros.nodes import network

    try:
        network.check_security()
    except GpcError as error:
        return [Check("security", False, str(error), "unset ROS_SECURITY_ENABLE", required=True)]
    try:
        require_ros()
    except GpcError as error:
        return [Check("ros", False, str(error), _MAKE, required=True)]
    try:
        return judge(loopback.round_trip())
    except GpcError as error:
        return [Check("loopback", False, str(error), "unset ROS_STATIC_PEERS", required=True)]


def judge(answer: dict[str, Any]) -> list[Check]:
    """The checks that a round trip answers (see ``loopback.round_trip``)."""
    if "error" in answer:
        return [Check("ros", False, answer["error"], _MAKE, required=True)]
    fast = answer["rmw"] == "rmw_fastrtps_cpp"
    rmw = f"{answer['rmw']}{'' if fast else ': the profile that closes the network is one of Fast DDS'}"
    complete = answer["returned"] == answer["sent"] > 0
    counted = f"{answer['returned']} of {answer['sent']} messages came back"
    if answer["median_ms"] is not None:
        counted += f", median {answer['median_ms']:.2f} ms there and back"
    ports = answer["open_ports"]
    where = (
        f"UDP ports open to other hosts: {', '.join(map(str, ports))}" if ports else "127.0.0.1 and shared memory alone"
    )
    return [
        Check("ros", fast, rmw, _FAST_DDS),
        Check("loopback", complete, counted, "sudo ip link set lo up", required=True),
        Check("closed network", not ports, where, _FAST_DDS, required=True),
    ]
