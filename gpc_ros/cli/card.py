"""``gpc card``: puts a trained policy where it ships, with a card of how it was trained and what it reaches."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from gpc_ros import config, evaluation, fingerprint, model_card, paths
from gpc_ros.cli import arguments
from gpc_ros.errors import GpcError
from gpc_ros.ledger import Key, Ledger
from gpc_ros.node_parameters import PARAMETERS


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = subparsers.add_parser("card", help="ship a trained policy: evaluate it and write its model card")
    arguments.add_robot(parser)
    parser.add_argument("--run", type=Path, dest="folder", metavar="DIR", help="of gpc train (default: runs/ROBOT)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where it ships (default: the package's models/ROBOT)")
    parser.add_argument("--starts", type=arguments.at_least(2), default=100, metavar="N", help="default: 100")
    parser.add_argument(
        "--paired-starts", type=arguments.at_least(2), default=50, metavar="N", help="at equal candidates (default: 50)"
    )
    arguments.add_jobs(parser)
    parser.add_argument("--machine", default="", help="the machine in words (default: what the system says)")
    return parser


def run(args: argparse.Namespace) -> int:
    """Evaluate what has not been evaluated yet, write the card; the exit code."""
    arguments.require_learning("card")
    from gpc_ros.learning import checkpoint
    from gpc_ros.policy import verify
    from gpc_ros.viz import plots

    folder = args.folder or Path("runs") / args.robot
    out = args.out or paths.home(args.robot) / "models" / args.robot
    policy = folder / "policy.onnx"
    _, metadata = verify.read(policy)
    if metadata.task != args.robot:
        raise GpcError(f"{policy} is a policy of {metadata.task}, not of {args.robot}")
    file = folder / checkpoint.NAME
    about, _ = checkpoint.read(file)
    with _writable(out), checkpoint.complete(file):
        out.mkdir(parents=True, exist_ok=True)
        plots.training(about["records"][: metadata.training["iterations"]], out / "training.png")
    console = Console()
    results = _results(args, policy, metadata.sha256, console)
    machine = args.machine or f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    rate_hz = config.load(args.robot, "controller", PARAMETERS["controller"]).rate_hz
    made = model_card.Made(about["settings"], _command(args), machine, rate_hz)
    with _writable(out):
        (out / "policy.md").write_text(model_card.text(metadata, results, made))
        if policy.resolve() != (out / "policy.onnx").resolve():
            shutil.copyfile(policy, out / "policy.onnx")
    console.print(f"{out / 'policy.md'}", highlight=False, soft_wrap=True)
    return 0


def _command(args: argparse.Namespace) -> str:
    """The command that makes the same card again, on this machine."""
    folder = f" --run {args.folder}" if args.folder else ""
    return f"gpc card {args.robot}{folder} --starts {args.starts} --paired-starts {args.paired_starts}"


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GpcError(f"{error.filename or folder}: {error.strerror}") from None


def _results(args: argparse.Namespace, policy: Path, digest: str, console: Console) -> dict[str, Mapping[str, Any]]:
    """By the name of the setting; kept in the policy's folder, from where the same command goes on."""
    ledger, results = Ledger(policy.with_name("card.json")), {}
    about = {"model": fingerprint.of_robot(args.robot), "policy": digest}
    for name, (planner, parameters) in model_card.SETTINGS.items():
        starts = args.paired_starts if name in (model_card.SEEDED, model_card.SAMPLED) else args.starts
        key = {**about, "planner": planner, "parameters": parameters, "starts": starts}
        (found,) = ledger.results(partial(_evaluated, args.robot, policy, args.jobs), [key])
        results[name] = found
        line = f"{name}: {found['successes']} of {found['starts']}, mean cost {found['mean_cost']:.4g}"
        console.print(line, highlight=False)
    return results


def _evaluated(robot: str, policy: Path, jobs: int, key: Key) -> dict[str, Any]:
    overrides = {node: dict(values) for node, values in key["parameters"].items()}
    overrides.setdefault("policy_server", {})["model_file"] = str(policy.resolve())
    overrides["controller"] = {"planner": key["planner"]}
    return evaluation.evaluate(evaluation.Setting(robot, overrides=overrides), key["starts"], jobs=jobs)
