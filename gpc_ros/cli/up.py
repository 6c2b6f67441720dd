"""``gpc up``: the whole stack as processes, or as one, with a line that lives and a summary at the end."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from gpc_ros import config, registry, spec
from gpc_ros.cli import arguments, view
from gpc_ros.cli.supervisor import Child, Supervisor
from gpc_ros.control.executive import check_planner
from gpc_ros.control.policy import Policy
from gpc_ros.errors import GpcError
from gpc_ros.node_parameters import PARAMETERS, check_together
from gpc_ros.tasks.base import Task

_OF_A_POLICY = ("policy", "seeded_spc")


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = subparsers.add_parser("up", help="run the stack on ROS 2: simulator, estimator, planner, controller")
    arguments.add_robot(parser)
    parser.add_argument("--planner", help="planner that drives (default: the robot's)")
    arguments.add_policy(parser)
    parser.add_argument("--rate", type=float, metavar="HZ", help="rate of the loop (default: the robot's)")
    parser.add_argument(
        "--duration", type=float, default=0.0, metavar="S", help="simulated time to run; 0: until Ctrl-C"
    )
    parser.add_argument("--lockstep", action="store_true", help="time advances only with the command for each tick")
    parser.add_argument("--composed", action="store_true", help="all nodes in one process")
    parser.add_argument("--no-web", action="store_true", help="no page in the browser")
    parser.add_argument("--no-monitor", action="store_true", help="no markers for RViz, no latencies in /diagnostics")
    parser.add_argument("--record", metavar="DIR", help="record the run to an MCAP file in DIR")
    parser.add_argument(
        "--network", action="store_true", help="open to other hosts (no authentication: trust them all)"
    )
    arguments.add_json(parser, "the summary")
    arguments.add_overrides(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Start the stack, watch it, end it, say how it went; the exit code."""
    from gpc_ros.cli.doctor import require_ros

    require_ros()
    from gpc_ros.nodes import network
    from gpc_ros.nodes.leaving import PATIENCE_S, leave_within

    network.check_security()
    values = _checked(args)
    environment = {**os.environ, **network.environment(opened=args.network)}
    network.claim("gpc up")
    if args.network:
        print("gpc up: open to the network; ROS 2 without SROS2 trusts every host that reaches it", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        supervisor = Supervisor(_children(args, values, environment, Path(folder)))
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stop.set())
        code = 2  # of an error, which ``main`` tells
        try:
            supervisor.start("recorder", _file_appears(args.record))
            os.environ.update(environment)
            diagnostics = view.Diagnostics()
            ended = _watch(supervisor, stop, diagnostics, args.robot)
            supervisor.stop()
            reports = {name: _read(Path(folder) / f"{name}.json") for name in values}
            code = _tell(args, values, reports, supervisor, ended)
        finally:
            supervisor.stop()
            sys.stdout.flush()
            leave_within(PATIENCE_S, code)
    diagnostics.close()
    return code


def _tell(
    args: argparse.Namespace,
    values: dict[str, dict[str, Any]],
    reports: dict[str, dict[str, Any]],
    supervisor: Supervisor,
    ended: Child | None,
) -> int:
    """Say how it went; the exit code."""
    if ended is not None and ended.exit_code == 2:
        return 2  # the node has said why
    result = _result(args, values, reports, supervisor)
    view.print_summary(result, Console())
    arguments.write_json(args.json, result)
    if ended is not None and ended.exit_code != 0:
        raise GpcError(f"{ended.name} ended with exit code {ended.exit_code} after {ended.restarts} restarts")
    return 0


def _checked(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Parameters by node that stand over the robot's file; refused here, before anything has started."""
    given = arguments.overrides(args)
    if args.planner is not None:
        given["controller"]["planner"] = args.planner
    if args.record is not None:
        given["recorder"]["folder"] = args.record
    values = {name: given[name] for name in _started(args)}
    for name in values:
        values[name]["robot"] = args.robot
        if args.rate is not None:
            values[name]["rate_hz"] = args.rate
        if args.lockstep:
            values[name]["lockstep"] = True
    if args.duration:
        values["simulator"]["duration_s"] = args.duration
    loaded: dict[str, Any] = {n: config.load(args.robot, n, PARAMETERS[n], **values[n]) for n in values}
    check_together(loaded)
    task: Task = registry.load("tasks", args.robot, Task)()
    for what in ("planner", "fallback"):
        if planner := getattr(loaded["controller"], what):
            check_planner(planner, what)
            if planner in _OF_A_POLICY:
                Policy(task, loaded["policy_server"])
    task.load_model()
    return values


def _started(args: argparse.Namespace) -> list[str]:
    """Names of the nodes: those that control, and the observers that are wanted and can be had."""
    wanted = {"monitor": not args.no_monitor, "web": not args.no_web, "recorder": args.record is not None}
    if wanted["web"] and importlib.util.find_spec("viser") is None:
        print("gpc up: no page in the browser without viser: pip install viser", file=sys.stderr)
        wanted["web"] = False
    return [*spec.CONTROL, *(name for name in spec.OBSERVERS if wanted[name])]


def _children(
    args: argparse.Namespace, values: dict[str, dict[str, Any]], environment: dict[str, str], folder: Path
) -> list[Child]:
    def parameters(name: str) -> list[str]:
        given = {**values[name], "report": str(folder / f"{name}.json")}
        return [part for key, value in given.items() for part in ("-p", f"{name}:{key}:={json.dumps(value)}")]

    ros = ["--ros-args", "--params-file", spec.parameters_file(args.robot)]

    def child(name: str) -> Child:
        node = spec.NODES[name]
        command = [sys.executable, "-m", node.module, *ros, *parameters(name)]
        return Child(name, command, environment, vital=not node.observer)

    if not args.composed:
        return [child(name) for name in values]
    every = [part for name in spec.CONTROL for part in parameters(name)]
    composed = Child("composed", [sys.executable, "-m", "gpc_ros.nodes.composed", *ros, *every], environment)
    return [composed, *(child(name) for name in values if name in spec.OBSERVERS)]


def _watch(supervisor: Supervisor, stop: threading.Event, diagnostics: view.Diagnostics, title: str) -> Child | None:
    """Until Ctrl-C or until a process has ended for good, which is returned."""
    with Live(view.waiting(), refresh_per_second=4, transient=True, redirect_stderr=False) as live:
        while not stop.is_set():
            if (ended := supervisor.watch()) is not None:
                return ended
            live.update(diagnostics.table(title))
            diagnostics.spin(0.2)
    return None


def _file_appears(folder: str | None) -> Callable[[], bool]:
    """Whether there is a recording in ``folder`` that was not there before: what comes earlier would be missing."""
    if folder is None:
        return lambda: True
    place = Path(folder).expanduser()
    before = set(place.glob("*.mcap"))
    return lambda: not before.issuperset(place.glob("*.mcap"))


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.exists() else {}


def _result(
    args: argparse.Namespace,
    values: dict[str, dict[str, Any]],
    reports: dict[str, dict[str, Any]],
    supervisor: Supervisor,
) -> dict[str, Any]:
    simulator, controller = reports["simulator"], reports["controller"]
    parameters = config.load(args.robot, "controller", PARAMETERS["controller"], **values["controller"])
    rate = parameters.rate_hz
    keys = (
        "ticks",
        "answered",
        "success",
        "goal_held_s",
        "mean_cost",
        "mean_abs_du",
        "latency_ms",
        "period_ms",
        "deadline_misses",
        "late_answers",
        "overruns",
        "nonfinite_commands",
        "digest",
    )
    return {
        "robot": args.robot,
        "planner": parameters.model_dump()["planner"],
        "rate_hz": rate,
        "duration_s": simulator.get("ticks", 0) / rate,
        **{key: simulator.get(key) for key in keys},
        "fallbacks": controller.get("fallbacks"),
        "update_ms": reports["estimator"].get("update_ms"),
        "replan_ms": reports["spc"].get("replan_ms"),
        "inference_ms": reports["policy_server"].get("inference_ms"),
        "provider": reports["policy_server"].get("provider"),
        "events": {name: report["events"] for name, report in reports.items() if report.get("events")},
        "exceptions": {name: report["exceptions"] for name, report in reports.items() if report.get("exceptions")},
        "nodes": supervisor.summary(),
        "written": time.strftime("%Y-%m-%dT%H:%M:%S"),
    }
