"""The seven robots: time of training, time of a plan, and whether seeded sampling and the policy alone succeed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gpc_ros import evaluation, fingerprint, registry
from gpc_ros.cli import arguments
from gpc_ros.control.policy import shipped
from gpc_ros.ledger import Key, Ledger
from gpc_ros.tasks.base import Task
from gpc_ros.viz.comparison import Panel

HELP = "the seven robots: training, inference, success"


@dataclass(frozen=True, slots=True)
class Published:
    """What arXiv 2502.13406 gives for a robot, on an RTX 4070."""

    training: str
    inference_ms: float
    alone: bool = True


_PUBLISHED = {
    "pendulum": Published("0:00:30", 1.0),
    "cart_pole": Published("0:01:20", 1.3),
    "double_cart_pole": Published("0:17:27", 1.3),
    "push_t": Published("0:17:22", 3.8),
    "walker": Published("0:06:25", 8.1),
    "crane": Published("0:09:41", 2.4),
    "humanoid": Published("2:46:55", 4.0, alone=False),
}
_PLANNERS = ("seeded_spc", "policy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own arguments."""
    arguments.add_robots(parser, _PUBLISHED, least=1)
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        help="judge the policies DIR/ROBOT/policy.onnx of gpc train --out DIR/ROBOT (default: those that ship)",
    )


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Evaluate and print the table; its records."""
    table = Table("robot", "", "joints, actuators", "training", "plan [ms]", "seeded succeeds", "policy succeeds")
    ledger, records = Ledger(args.out), []
    for robot in args.robot or _PUBLISHED:
        published, record = _PUBLISHED[robot], _record(ledger, robot, args)
        alone = "yes" if published.alone else "no"
        table.add_row(robot, "published", "", published.training, f"{published.inference_ms}", "yes", alone)
        table.add_row("", "here", *_words(robot, record, args.starts))
        records.append(record)
    Console().print(table)
    return records


def panels(records: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Time of training and of a plan, published and here, and the shares of starts that succeed here."""
    here = {record["robot"]: record for record in records if "policy" in record}
    published = {record["robot"]: _PUBLISHED[record["robot"]] for record in records}
    training = {
        "published": {robot: (_seconds(figures.training), 0.0) for robot, figures in published.items()},
        "here": {robot: (record["training_s"], 0.0) for robot, record in here.items()},
    }
    inference = {
        "published": {robot: (figures.inference_ms, 0.0) for robot, figures in published.items()},
        "here": {robot: (record["inference_ms"], 0.0) for robot, record in here.items()},
    }
    successes = {
        planner: {robot: (100 * record[planner] / record["starts"], 0.0) for robot, record in here.items()}
        for planner in _PLANNERS
    }
    return [
        Panel("time of training [s]", training, logarithmic=True),
        Panel("time of a plan [ms]", inference, logarithmic=True),
        Panel("starts that succeed here [%]", successes),
    ]


def _seconds(clock: str) -> float:
    hours, minutes, seconds = map(int, clock.split(":"))
    return 3600.0 * hours + 60 * minutes + seconds


def _record(ledger: Ledger, robot: str, args: argparse.Namespace) -> dict[str, Any]:
    """What is known of the robot's policy; only its name where there is none."""
    file = args.runs / robot / "policy.onnx" if args.runs else shipped(robot)
    if not file.is_file():
        return {"robot": robot}
    from gpc_ros.policy import benchmark
    from gpc_ros.policy.onnx_policy import OnnxPolicy

    policy = OnnxPolicy.load(file, registry.load("tasks", robot, Task)())
    about = {"robot": robot, "model": fingerprint.of_robot(robot), "policy": str(file.resolve())}
    about |= {"sha256": policy.metadata.sha256}
    successes = {}
    for planner in _PLANNERS:
        keys = [{**about, "planner": planner, "start": start} for start in range(args.starts)]
        successes[planner] = sum(ledger.results(_succeeds, keys, args.jobs))
    training = policy.metadata.training
    return {
        **about,
        "starts": args.starts,
        "training_s": training["wall_s"],
        "machine": training["machine"],
        "inference_ms": benchmark.plan_ms(policy),
        **successes,
    }


def _succeeds(key: Key) -> bool:
    overrides = {"controller": {"planner": key["planner"]}, "policy_server": {"model_file": key["policy"]}}
    setting = evaluation.Setting(key["robot"], overrides=overrides)
    return bool(evaluation.run_start(setting, key["start"])["success"])


def _words(robot: str, record: dict[str, Any], starts: int) -> list[str]:
    task: Task = registry.load("tasks", robot, Task)()
    size = f"{task.model.nv}, {task.model.nu}"
    if "policy" not in record:
        return [size, "no policy"]
    seconds = round(record["training_s"])
    trained = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    successes = (f"{record[planner]} of {starts}" for planner in _PLANNERS)
    return [size, trained, f"{record['inference_ms']:.2g}", *successes]
