"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import json
import math
import os
from collections import defaultdict
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import yaml

from gpc_ros import config, contract
from gpc_ros.errors import GpcError, UnknownName
from gpc_ros.node_parameters import PARAMETERS


def add_robot(parser: argparse.ArgumentParser) -> None:
    """The robot; refused by name, with the list of valid ones, or with what it lacks."""
    parser.add_argument("robot", metavar="ROBOT", type=_robot, help=f"one of {', '.join(config.robots())}")


def _robot(name: str) -> str:
    contract.check(name)
    return name


def add_robots(parser: argparse.ArgumentParser, published: Collection[str], least: int) -> None:
    """``--robot``, any number of times, each one of ``published``; ``--starts`` of each, ``least`` or more."""

    def robot(name: str) -> str:
        if name not in published:
            raise UnknownName("robot of the published table", name, published)
        return name

    parser.add_argument("--robot", action="append", type=robot, help="only this one; any number of times")
    parser.add_argument("--starts", type=at_least(least), default=50, metavar="N", help="random starts (default: 50)")


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


def add_policy(parser: argparse.ArgumentParser) -> None:
    """``--policy`` and ``--warm-start``: short for two parameters of ``policy_server``."""
    parser.add_argument("--policy", metavar="FILE", help="policy file of policy and seeded_spc (default: the robot's)")
    parser.add_argument(
        "--warm-start", type=float, metavar="A", help="the policy's plans start from the last one (1) or from noise (0)"
    )


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """``--jobs``: processes among which runs are divided; changes no result."""
    parser.add_argument("--jobs", type=at_least(1), default=2, metavar="J", help="processes (default: 2)")


def overrides(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Parameters given with ``-p`` and by ``add_policy``, by node.

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
        try:
            found[node][name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise GpcError(f"-p {text}: '{value}' is not valid YAML") from None
    for option, name in (("policy", "model_file"), ("warm_start", "warm_start")):
        if (given := getattr(args, option, None)) is not None:
            found["policy_server"][name] = given
    return found


def at_least(least: int) -> Callable[[str], int]:
    """An argparse type: a whole number of at least ``least``, which is not negative."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise GpcError(f"{text} must be a whole number of at least {least}")
        return int(text)

    return parse


def seconds(text: str) -> float:
    """An argparse type: a time [s] above zero."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise GpcError(f"{text} must be a number of seconds above 0")
    return value


def require_learning(command: str) -> None:
    """Refuse ``gpc command`` at once where torch or what else learning needs is not installed.

    Where it is, torch is imported, with threads that stay awake from one gradient step to the next but soon leave the
    cores to the physics.

    Raises:
        GpcError: names the package that lacks, and the command that installs it.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000000")
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import torch
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise GpcError(f"gpc {command} needs {error.name}: python3 -m pip install 'gpc_ros[learning]'") from None


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    """``--json FILE``; refused at once if FILE cannot be written, not after a long run."""
    parser.add_argument("--json", metavar="FILE", type=writable("--json"), help=f"write {what} there")


def writable(option: str) -> Callable[[str], Path]:
    """An argparse type: a file that can be written, as ``option`` asks for."""

    def parse(text: str) -> Path:
        file = Path(text)
        if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
            raise GpcError(f"{option} {text}: cannot be written")
        return file

    return parse


def write_json(file: Path | None, content: Any) -> None:
    """Write ``content`` to ``file``, if one is given; numbers that are not finite, which JSON has not, as null."""
    if file:
        file.write_text(json.dumps(_finite(content), indent=1, allow_nan=False))


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
