"""``gpc check``: whether a robot keeps what the stack needs, or a policy file is whole, fits and computes right."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Column, Table

from gpc_ros import actuators, config, contract, registry
from gpc_ros.cli import arguments
from gpc_ros.control.policy import shipped
from gpc_ros.coordinates import Coordinates
from gpc_ros.errors import GpcError, InvalidModel
from gpc_ros.node_parameters import PARAMETERS, check_together
from gpc_ros.tasks.base import Task

if TYPE_CHECKING:
    from gpc_ros.policy.metadata import PolicyMetadata

_COMPARED = 64
_MOST_SHOWN = 8


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = subparsers.add_parser("check", help="whether a robot, or a policy file, is whole and right")
    parser.add_argument("what", metavar="ROBOT|FILE.onnx", help="a robot, such as one of your own, or a policy file")
    arguments.add_json(parser, "max_abs_error and the metadata of a policy file")
    return parser


def run(args: argparse.Namespace) -> int:
    """Check and print; the exit code."""
    file = Path(args.what)
    if file.suffix or file.exists():
        _check_policy(file, args.json)
    else:
        _check_robot(args.what)
    return 0


def _check_robot(name: str) -> None:
    task = contract.check(name)
    file, model = config.file_of(name), task.model
    try:
        check_together({node: config.load(name, node, kind) for node, kind in PARAMETERS.items()})
    except GpcError as error:
        raise GpcError(f"{file}: {error}") from None
    limits = zip(actuators.names(model), actuators.kinds(model), *model.actuator_ctrlrange.T, strict=True)
    table = Table("robot", Column(name, overflow="fold"))
    for what, told in (
        ("task", f"{type(task).__module__}:{type(task).__name__}"),
        ("parameters", file),
        ("model", task.model_file),
        ("planning step", f"{1e3 * model.opt.timestep:g} ms"),
        ("coordinates", ", ".join(Coordinates(model).names)),
        ("actuators", ", ".join(f"{each} ({kind}, {low:g} to {high:g})" for each, kind, low, high in limits)),
        ("named start", task.named_start),
        ("policy", shipped(name) if shipped(name).is_file() else "none yet"),
    ):
        table.add_row(what, str(told))
    console = Console()
    console.print(table)
    console.print(f"{name} keeps what the stack needs", highlight=False)


def _check_policy(file: Path, json: Path | None) -> None:
    from gpc_ros.policy import metadata, verify
    from gpc_ros.policy.onnx_policy import TOLERANCE, one_line

    data, about = verify.read(file)
    known = about.task in registry.names("tasks")
    if known:
        metadata.check(about, registry.load("tasks", about.task, Task)(), file)
    try:
        error, provider = _compare(data, about)
    except Exception as failure:  # what ONNX Runtime and onnx raise has no base class of its own
        words = failure if isinstance(failure, InvalidModel) else f"does not run: {one_line(failure)}"
        raise InvalidModel(f"{file}: {words}") from None
    if not error <= TOLERANCE:
        raise InvalidModel(f"{file}: {provider} and numpy differ by {error:.2g}, more than {TOLERANCE}")
    values = about.model_dump(mode="json")
    table = Table("metadata", Column("value", overflow="fold"), title=str(file))
    for name, value in _flat(values):
        table.add_row(name, _short(value))
    console = Console()
    console.print(table)
    fits = f"fits {about.task}" if known else f"made for '{about.task}', which is not here to compare with"
    console.print(f"whole; {fits}; {provider} and numpy differ by {error:.1g} at most", highlight=False)
    arguments.write_json(json, {"max_abs_error": error, "provider": provider, "metadata": values})


def _compare(data: bytes, about: PolicyMetadata) -> tuple[float, str]:
    """Largest difference of ONNX Runtime to numpy over random inputs [half ctrlranges], and what the former runs on."""
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun
    from scipy.special import expit

    from gpc_ros.policy.onnx_policy import OnnxPolicy

    class Sigmoid(OpRun):  # that of the reference overflows
        op_domain = ""

        def _run(self, x: Any) -> tuple[Any]:
            return (expit(x),)

    policy, rng = OnnxPolicy(data, about), np.random.default_rng(0)
    start = rng.standard_normal((_COMPARED, *about.shape))
    observation = about.observation_probe + rng.standard_normal((_COMPARED, about.observation_size))
    inputs = {"start": start.astype(np.float32), "observation": observation.astype(np.float32)}
    reference: Any = ReferenceEvaluator(data, new_ops=[Sigmoid])
    (expected,) = reference.run(None, inputs)
    difference = policy.normalized(policy.plans(start, observation)) - policy.normalized(expected)
    return float(np.abs(difference).max()), policy.provider


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        found += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return found


def _short(value: Any) -> str:
    if not isinstance(value, list):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    more = f", ... ({len(value)})" if len(value) > _MOST_SHOWN else ""
    return ", ".join(_short(entry) for entry in value[:_MOST_SHOWN]) + more
