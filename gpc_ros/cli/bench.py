"""``gpc bench``: what this machine reaches, stage by stage, as a ratio to what the stage cannot go below."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np
from rich.console import Console
from rich.table import Column, Table

from gpc_ros import config, registry
from gpc_ros.cli import arguments, bench_stack
from gpc_ros.cli.bench_stack import Record
from gpc_ros.control.policy import Policy, shipped
from gpc_ros.control.previous import Previous
from gpc_ros.errors import GpcError
from gpc_ros.estimation.ekf import Ekf
from gpc_ros.node_parameters import EstimatorNodeParameters, PolicyServerParameters
from gpc_ros.sampling.benchmark import replan_ratio
from gpc_ros.signals import Command, Estimate, Measurement
from gpc_ros.tasks.base import Task

if TYPE_CHECKING:
    from gpc_ros.policy.onnx_policy import OnnxPolicy

_PERIOD_S = 0.002
_REPEATS, _IDLE_REPEATS = 3000, 200


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = subparsers.add_parser("bench", help="what this machine reaches, stage by stage")
    parser.add_argument("--robot", default="cart_pole", help="robot of all stages but inference_cnn")
    parser.add_argument("--stage", action="append", choices=tuple(_STAGES), help="only this one; any number of times")
    arguments.add_json(parser, "the records")
    return parser


def run(args: argparse.Namespace) -> int:
    """Measure and print; the exit code."""
    config.file_of(args.robot)
    records: list[Record] = []
    for name in args.stage or _STAGES:
        try:
            found = _STAGES[name](args.robot)
            records += [{"stage": name, **record} for record in (found if isinstance(found, list) else [found])]
        except GpcError as error:
            print(f"gpc bench: {name} left out: {error}", file=sys.stderr)
    columns = ("p50 [ms]", "p99 [ms]", "limit p50 [ms]", "ratio", "limit p99 [ms]", "limit", "more")
    table = Table(Column("stage", overflow="fold"), *columns)
    for record in records:
        keys = ("p50", "p99", "limit_p50", "ratio", "limit_p99")
        numbers = (f"{record[key]:.3f}" if key in record else "" for key in keys)
        table.add_row(str(record["stage"]), *numbers, str(record["limit"]), str(record.get("more", "")))
    Console().print(table)
    arguments.write_json(args.json, records)
    return 0


def replan(robot: str) -> Record:
    """A whole replan of 64 candidates over 50 steps against the bare rollouts of as many."""
    found = replan_ratio(registry.load("tasks", robot, Task)(), candidates=64, steps=50)
    p50, limit = 1e3 * found["replan_p50_s"], 1e3 * found["rollout_p50_s"]
    return {
        "p50": p50,
        "p99": 1e3 * found["replan_p99_s"],
        "limit_p50": limit,
        "ratio": p50 / limit,
        "limit": "bare mujoco.rollout, 64 x 50 steps",
    }


def estimate(robot: str) -> Record:
    """One update of the filter against MuJoCo's own part of it: one step and its derivatives."""
    task: Task = registry.load("tasks", robot, Task)()
    parameters = config.load(robot, "estimator", EstimatorNodeParameters)
    period_ns, model, start = parameters.period_ns, task.load_model(), task.start(task.named_start)
    model.opt.timestep = period_ns * 1e-9
    ekf, data = Ekf(task.model, parameters, period_ns), mujoco.MjData(model)
    data.qpos[:] = start.qpos
    a, b = np.empty((2 * model.nv, 2 * model.nv)), np.empty((2 * model.nv, model.nu))
    rng, ctrl, tick = np.random.default_rng(0), np.zeros(model.nu), 0

    def update() -> None:
        nonlocal tick
        tick += 1
        reading = start.qpos + 1e-3 * rng.standard_normal(model.nq)
        ekf.update(Measurement(tick * period_ns, {"position": reading}), Command((tick - 1) * period_ns, ctrl))

    def bare() -> None:
        mujoco.mj_step(model, data)
        mujoco.mjd_transitionFD(model, data, 1e-6, False, a, b, None, None)

    return _compare(update, bare, "bare mj_step and mjd_transitionFD")


def inference(robot: str) -> Record:
    """One plan of the robot's policy, or where it has none of a random one, against ONNX Runtime alone."""
    from gpc_ros.policy import benchmark
    from gpc_ros.policy.onnx_policy import OnnxPolicy

    if shipped(robot).is_file():
        return _inference(OnnxPolicy.load(shipped(robot), registry.load("tasks", robot, Task)()))
    return _inference(benchmark.mlp())


def inference_cnn(robot: str) -> list[Record]:
    """One plan of each convolutional policy of the sizes in the paper, with random weights."""
    from gpc_ros.policy import benchmark

    return [{**_inference(policy), "stage": f"inference_cnn {name}"} for name, policy in benchmark.cnns().items()]


def _inference(policy: OnnxPolicy) -> Record:
    from gpc_ros.policy.benchmark import plan_and_bare

    calls, about = plan_and_bare(policy), policy.metadata
    idle = _compare(*calls, "", idle_s=_PERIOD_S)
    sizes = "x".join(map(str, about.architecture.hidden))
    return {
        **_compare(*calls, "bare session.run"),
        "idle_p50": idle["p50"],
        "idle_p99": idle["p99"],
        "more": f"{about.architecture.kind} {sizes}, {about.knots} knots, {about.steps} steps",
        "provider": policy.provider,
    }


def serving(robot: str) -> Record:
    """What the policy server does with an estimate, from bytes to bytes, against ONNX Runtime alone."""
    bench_stack.require_ros()
    from gpc_ros.nodes.codec import Codec
    from gpc_ros.policy.benchmark import plan_and_bare

    task: Task = registry.load("tasks", robot, Task)()
    policy = Policy(task, config.load(robot, "policy_server", PolicyServerParameters))
    policy.warm_up()
    codec, previous, start = Codec(task.model), Previous(), task.start(task.named_start)
    stamps_ns = (round(1e9 * _PERIOD_S) * tick for tick in range(1, 1 + _REPEATS + _IDLE_REPEATS))
    coming = iter([codec.encode_estimate(Estimate(stamp_ns, start.qpos, start.qvel)) for stamp_ns in stamps_ns])

    def serve() -> None:
        estimate = codec.decode_estimate(next(coming))
        plan = policy.plan(estimate, previous.of("policy", estimate))
        if plan is not None:
            previous.add(plan)
            codec.encode_plan(plan)

    bare = plan_and_bare(policy.model)[1]
    idle = _compare(serve, bare, "", idle_s=_PERIOD_S)
    found = _compare(serve, bare, "bare session.run")
    own, own_idle = (float(each["p50"]) - float(each["limit_p50"]) for each in (found, idle))
    more = f"decode, observe, warm start, encode: {own:.3f} ms, {own_idle:.3f} ms after a sleep"
    return {**found, "idle_p50": idle["p50"], "idle_p99": idle["p99"], "more": more}


def message(robot: str) -> Record:
    """Encode and decode an estimate against nothing but reading and writing as many bytes."""
    bench_stack.require_ros()
    import struct

    from gpc_ros.nodes.codec import Codec

    task: Task = registry.load("tasks", robot, Task)()
    codec, start = Codec(task.model), task.start(task.named_start)
    signal = Estimate(1_000_000_000, start.qpos, start.qvel)
    layout = struct.Struct(f"<{2 * len(codec.coordinates.names)}d")
    values = [0.0] * (2 * len(codec.coordinates.names))
    return _compare(
        lambda: codec.decode_estimate(codec.encode_estimate(signal)),
        lambda: layout.unpack(layout.pack(*values)),
        "struct of the same numbers",
    )


_STAGES: dict[str, Callable[[str], Record | list[Record]]] = {
    "replan": replan,
    "estimate": estimate,
    "inference": inference,
    "inference_cnn": inference_cnn,
    "serving": serving,
    "message": message,
    "stack": bench_stack.stack,
    "watched": bench_stack.watched,
    "page": bench_stack.page,
}


def _compare(function: Callable[[], object], bare: Callable[[], object], limit: str, *, idle_s: float = 0.0) -> Record:
    """Both in turn, so that other load falls on both alike; with ``idle_s``, after so long a sleep, as in a loop."""
    repeats = _IDLE_REPEATS if idle_s else _REPEATS
    times = np.empty((repeats, 2))
    for row in times:
        for column, act in enumerate((function, bare)):
            if idle_s:
                time.sleep(idle_s)
            begin = time.perf_counter()
            act()
            row[column] = 1e3 * (time.perf_counter() - begin)
    p50, limit_p50 = np.median(times[repeats // 10 :], axis=0)
    return {
        "p50": float(p50),
        "p99": float(np.quantile(times[repeats // 10 :, 0], 0.99)),
        "limit_p50": float(limit_p50),
        "ratio": float(p50 / limit_p50),
        "limit": limit,
    }
