"""``gpc train``: learns a policy for a robot, from the robot's own sampling-based planner in simulation."""

from __future__ import annotations

import argparse
import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gpc_ros.cli import arguments
from gpc_ros.errors import GpcError, UnknownName

_SECTIONS = ("train", "spc")


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = subparsers.add_parser("train", help="learn a policy in simulation; goes on where it was interrupted")
    arguments.add_robot(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the training (default: runs/ROBOT)")
    parser.add_argument("--minutes", type=_minutes, metavar="M", help="end after so many minutes of training")
    parser.add_argument("--seed", type=arguments.at_least(0), metavar="S", help="of all random numbers (default: 0)")
    parser.add_argument("--restart", action="store_true", help="begin anew, even if the folder holds a training")
    parser.add_argument(
        "--save-every",
        type=arguments.seconds,
        default=60.0,
        metavar="S",
        help="seconds between checkpoints (default: 60), so much is lost at most if the process is killed",
    )
    parser.add_argument(
        "--from-log",
        type=Path,
        metavar="DIR",
        help="refine a policy with plans that spc.record kept in DIR; with --from",
    )
    parser.add_argument("--from", type=Path, dest="base", metavar="RUN", help="folder of the training to refine")
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="collect data on a Ray cluster: auto, HOST:PORT, or local to start one here"
    )
    parser.add_argument(
        "--ray-workers", type=arguments.at_least(1), metavar="N", help="of the cluster (default: one per CPU)"
    )
    arguments.add_json(parser, "the figures")
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set train.NAME or spc.NAME, as train.iterations=4 or spc.horizon_s=0.8",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Train, export, say how it went; the exit code."""
    arguments.require_learning("train")
    from gpc_ros.learning import export
    from gpc_ros.learning.training import Training

    values = _overrides(args)
    folder = args.out or Path("runs") / args.robot
    log = _log(args, folder, values)
    console = Console()
    with _teachers(args, console) as teachers:
        training = Training(args.robot, folder, **values, log=log, restart=args.restart, teachers=teachers)
        _banner(console, training)
        with _interruptible() as stopped:
            ended = _train(console, training, args, stopped)
    arguments.write_json(args.json, training.figures())
    if not ended:
        command = "the same command without --restart" if args.restart else "the same command"
        line = f"interrupted; {command} goes on from {training.file}"
        console.print(line, highlight=False, soft_wrap=True)
        return 130
    if not training.has_policy:
        raise GpcError(f"--minutes {args.minutes:g}: no iteration has ended yet; with more it goes on")
    file = folder / "policy.onnx"
    export.export_checkpoint(training.file, file)
    if training.refines:
        console.print(_compared(training.figures()), highlight=False, soft_wrap=True)
    console.print(f"{file}: gpc eval {args.robot} --planner policy --policy {file}", highlight=False, soft_wrap=True)
    return 0


def _minutes(text: str) -> float:
    try:
        return arguments.seconds(text)
    except GpcError:
        raise GpcError(f"--minutes {text}: must be a number above 0") from None


def _log(args: argparse.Namespace, folder: Path, values: dict[str, Any]) -> tuple[Path, Path] | None:
    """The checkpoint and the recorded plans of a refinement."""
    from gpc_ros.learning import checkpoint

    if (args.from_log is None) != (args.base is None):
        raise GpcError("--from-log DIR and --from RUN go together: recorded plans, and the training that they refine")
    if args.from_log is None:
        return None
    if values["train"] or values["spc"]:
        raise GpcError("--from-log: the parameters are those of the training that is refined; leave out -p and --seed")
    if args.base.resolve() == folder.resolve():
        raise GpcError(f"--out {folder} is the training to refine; choose another folder")
    return args.base / checkpoint.NAME, args.from_log


@contextlib.contextmanager
def _teachers(args: argparse.Namespace, console: Console) -> Iterator[Any]:
    """What makes the teacher: threads of this process, or workers on Ray for as long as the context lasts."""
    from gpc_ros.learning.teacher import Teacher

    if args.ray is None:
        if args.ray_workers is not None:
            raise GpcError(f"--ray-workers {args.ray_workers}: goes with --ray ADDRESS")
        yield Teacher
        return
    if args.from_log is not None:
        raise GpcError("--ray: a refinement learns from the plans in --from-log and collects none; leave --ray out")
    from gpc_ros.learning.ray_teacher import Cluster

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    with contextlib.closing(Cluster(args.ray, args.robot, workers=args.ray_workers, say=say)) as cluster:
        say(f"Ray at {args.ray}: data by {cluster.count} worker(s)")
        yield cluster.teacher


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or request to end) sets; the second one does what it always does."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}  # as under nohup

    def end(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, end)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _train(console: Console, training: Any, args: argparse.Namespace, stopped: threading.Event) -> bool:
    minutes: float | None = args.minutes
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
        bar = bars.add_task("", total=1.0)

        def show(trainer: Any, finished: Any) -> None:
            where = trainer.progress
            done = trainer.fraction
            if minutes is not None:
                done = max(done, where.wall_s / (60.0 * minutes))
            text = "done" if trainer.done else f"iteration {where.iteration + 1}, {where.phase.name.lower()}"
            bars.update(bar, completed=done, description=text)
            if finished is not None:
                bars.console.print(_line(finished), highlight=False, soft_wrap=True)

        return training.run(minutes=minutes, save_after_s=args.save_every, stop=stopped.is_set, progress=show)


def _banner(console: Console, training: Any) -> None:
    trainer, p = training.trainer, training.trainer.parameters
    spline, collector = trainer.collector.spline, trainer.collector
    period_s = collector.robots.period_steps * spline.timestep_s
    console.print(
        f"{trainer.task.name}: {p.environments} robots, episodes of {p.episode_s:g} s, a replan every "
        f"{1e3 * period_s:g} ms; plans of {spline.horizon_s:g} s in {spline.num_knots} knots ({spline.kind}); "
        f"{p.samples} random and {p.policy_samples} policy candidates, polish {p.polish}; network "
        f"{p.network.kind} {p.network.hidden} on {trainer.device.type}, {p.iterations} iterations",
        highlight=False,
        soft_wrap=True,
    )
    if training.resumed:
        line = f"goes on from {training.file}: iteration {trainer.progress.iteration + 1}"
        console.print(line, highlight=False, soft_wrap=True)


def _line(record: Any) -> str:
    """One iteration in words; what it does not have is not a number, and left out."""
    figures = {
        "cost of the best drawn": f"{record.spc_cost:.4g}",
        "of the policy's best": f"{record.policy_cost:.4g}",
        "policy best in": f"{100 * record.policy_best:.0f} %",
        "policy succeeds from": f"{100 * record.success:.0f} % of starts",
    }
    words = [f"{name} {value}" for name, value in figures.items() if not value.startswith("nan")]
    if record.named:
        words[-1] += " and the named one"
    speed = record.physics_steps / record.wall_s / 1e6
    words += [f"{speed:.2f} M steps/s", f"{record.wall_s:.0f} s"]
    return f"iteration {record.iteration + 1}: {', '.join(words)}"


def _compared(figures: dict[str, Any]) -> str:
    """What refining did, by the validation."""
    before = figures["refines"]
    words = f"refined {before['base']} with {before['files']} file(s) of recorded plans"
    if figures["success"] is None or before["success"] is None:
        return f"{words}; not validated"
    rates, costs = ([each[key] for each in (figures, before)] for key in ("success", "validation_cost"))
    note = "; worse there: what it is on the robot that was recorded has to be seen"
    return (
        f"{words}: in the nominal simulator it succeeds from {100 * rates[0]:.0f} % of starts (mean cost "
        f"{costs[0]:.4g}), before from {100 * rates[1]:.0f} % (mean cost {costs[1]:.4g})"
        f"{note if rates[0] < rates[1] or costs[0] > costs[1] else ''}"
    )


def _overrides(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    for text in args.parameter:
        target, equals, value = text.partition("=")
        section, dot, name = target.partition(".")
        if not (equals and dot and name):
            raise GpcError(f"-p {text}: expected train.NAME=VALUE or spc.NAME=VALUE")
        if section not in _SECTIONS:
            raise UnknownName("section", section, _SECTIONS)
        try:
            found[section][name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise GpcError(f"-p {text}: '{value}' is not valid YAML") from None
    if args.seed is not None:
        found["train"]["seed"] = args.seed
    return found
