"""One training from beginning to end: resumes, saves every minute, writes curves."""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

import gpc_ros
from gpc_ros import config, registry
from gpc_ros.config import Parameters, make
from gpc_ros.errors import GpcError
from gpc_ros.learning import checkpoint
from gpc_ros.learning.algorithm import Record, Trainer
from gpc_ros.learning.parameters import TrainParameters
from gpc_ros.learning.refinement import from_log
from gpc_ros.learning.teacher import MakesTeacher, Teacher
from gpc_ros.node_parameters import SpcNodeParameters
from gpc_ros.tasks.base import Task

_MAY_CHANGE = {"threads"}  # when a training goes on

Overrides = Mapping[str, Any]


class Training:
    """A training in a folder of its own, which is taken up where it was left.

    Args:
        robot: its name.
        folder: holds the checkpoint and TensorBoard's files; made if it is not there.
        train: parameters of the section ``train`` that stand over the robot's file.
        spc: the same of the section ``spc``.
        log: a checkpoint, and a folder of recorded plans to refine its policy with instead of training a new one.
        restart: begin anew, even if the folder holds a training.
        teachers: makes the teacher of a new training; it may be another one when the training goes on.

    Attributes:
        refines: what a refinement is made from, as ``refinement.from_log`` says; None of a training from nothing.
        folder: that of the training.
        file: the checkpoint in it.
        trainer: does the work.
        resumed: whether it goes on from the checkpoint.

    Raises:
        GpcError: if the folder cannot be made, or holds a training of another robot, with other parameters or from
            another log, or a damaged one.
        InvalidParameter, UnknownName: for wrong parameters.
    """

    def __init__(
        self,
        robot: str,
        folder: Path,
        *,
        train: Overrides,
        spc: Overrides,
        log: tuple[Path, Path] | None = None,
        restart: bool = False,
        teachers: MakesTeacher = Teacher,
    ) -> None:
        self.folder = folder
        self.file = folder / checkpoint.NAME
        self.refines: dict[str, Any] | None = None
        if log is None:
            self.trainer = _begin(robot, train, spc, teachers)
            self._settings = {"train": dict(train), "spc": dict(spc)}
        else:
            self.trainer, self.refines = _refine(robot, *log)
            self._settings = self.refines.pop("settings")
        self._base_s = self.trainer.progress.wall_s
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if restart:
                self.file.unlink(missing_ok=True)
        except OSError as error:
            raise GpcError(f"{folder}: {error.strerror}") from None
        self.resumed = self.file.exists()
        if self.resumed:
            self._restore()

    def run(
        self,
        *,
        minutes: float | None = None,
        save_after_s: float = 60.0,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[Trainer, Record | None], None] = lambda trainer, finished: None,
    ) -> bool:
        """Train until done, out of time or stopped, and save; whether the training is at its end.

        Args:
            minutes: of training in all, those before an interruption included, but not those of the training that
                is refined; None: no limit.
            save_after_s: time between checkpoints [s], so much work is lost at most.
            stop: asked between slices.
            progress: called after every slice, with the record of an iteration that has just ended.

        Raises:
            GpcError: if the checkpoint cannot be written, or the training fails; the last checkpoint stays.
        """
        trainer = self.trainer
        saved_s, iteration = time.monotonic(), trainer.progress.iteration
        with SummaryWriter(str(self.folder)) as writer:
            while not (trainer.done or stop() or self._out_of_time(minutes)):
                trainer.advance()
                finished = trainer.records[-1] if trainer.progress.iteration > iteration else None
                iteration = trainer.progress.iteration
                progress(trainer, finished)
                if finished is not None:
                    _write_curves(writer, finished)
                if time.monotonic() - saved_s > save_after_s:
                    self.save()
                    saved_s = time.monotonic()
        self.save()
        return trainer.done or self._out_of_time(minutes)

    def save(self) -> None:
        """Write the checkpoint.

        Raises:
            GpcError: if it cannot be written.
        """
        about, arrays = self.trainer.save()
        own = {"settings": self._settings, "refines": self.refines, "figures": self.figures()}
        checkpoint.write(self.file, {**about, **own}, arrays)

    def figures(self) -> dict[str, Any]:
        """What is to be known of the training."""
        trainer = self.trainer
        best = trainer.best_record()
        ended = trainer.records[: trainer.progress.iteration]
        return {
            "robot": trainer.task.name,
            "seed": trainer.parameters.seed,
            "version": gpc_ros.__version__,
            "machine": f"{platform.machine()}, {trainer.collector.workers}, {trainer.device.type}",
            "wall_s": trainer.progress.wall_s,
            "physics_steps": trainer.collector.physics_steps,
            "iterations": trainer.progress.iteration,
            **_verdict(best),
            **self._of_refinement(),
            "policy_best_fraction": [record.policy_best for record in ended],
            "policy_cost": [record.policy_cost for record in ended],
            "spc_cost": [record.spc_cost for record in ended],
            "records": [dataclasses.asdict(record) for record in ended],
        }

    @property
    def has_policy(self) -> bool:
        """Whether there is a policy to export that is this training's own."""
        return self.trainer.done if self.refines else self.trainer.progress.iteration > 0

    def _of_refinement(self) -> dict[str, Any]:
        if self.refines is None:
            return {}
        log = self.refines["log"]
        told = {"base": self.refines["base"], "files": len(log), "bytes": sum(log.values())}
        return {"refines": {**told, **_verdict(self.trainer.base_record())}}

    def _out_of_time(self, minutes: float | None) -> bool:
        return minutes is not None and self.trainer.progress.wall_s - self._base_s >= 60.0 * minutes

    def _restore(self) -> None:
        about, arrays = checkpoint.read(self.file)
        trainer = self.trainer
        with checkpoint.complete(self.file):
            if (found := about["robot"]) != trainer.task.name:
                raise GpcError(f"{self.file} is of robot {found}, not {trainer.task.name}; choose another --out")
            _refuse_other_source(self.file, about.get("refines"), self.refines)
            _refuse_other(self.file, "train", about["train"], trainer.parameters)
            _refuse_other(self.file, "spc", about["spc"], trainer.spc)
            trainer.restore(about, arrays)


def _begin(robot: str, train: Overrides, spc: Overrides, teachers: MakesTeacher) -> Trainer:
    parameters = config.load(robot, "train", TrainParameters, **train)
    planner = config.load(robot, "spc", SpcNodeParameters, **spc)
    task: Task = registry.load("tasks", robot, Task)()
    return Trainer(task, parameters, planner, teachers)


def _refine(robot: str, file: Path, folder: Path) -> tuple[Trainer, dict[str, Any]]:
    trainer, refines = from_log(file, folder)
    if trainer.task.name != robot:
        raise GpcError(f"{file} is of robot {trainer.task.name}, not {robot}")
    return trainer, refines


def _refuse_other_source(file: Path, found: dict[str, Any] | None, given: dict[str, Any] | None) -> None:
    """Refuse to go on with what was learned from something else, as from the log before it grew."""
    mine, its = ({**each, "base": None} if each else None for each in (given, found))  # paths may change
    if mine != its:
        raise GpcError(f"{file} was begun {_told(found)}, not {_told(given)}; choose another --out, or --restart")


def _told(refines: dict[str, Any] | None) -> str:
    if refines is None:
        return "from nothing"
    count, size = len(refines["log"]), sum(refines["log"].values())
    return f"from {refines['base']} ({refines['digest'][:8]}) and a log of {count} files ({size} bytes)"


def _verdict(record: Record | None) -> dict[str, Any]:
    named = ("success", "named_start", "validation_cost")
    values = (record.success, record.named, record.cost) if record else (None, None, None)
    return dict(zip(named, values, strict=True))


def _refuse_other(file: Path, section: str, saved: dict[str, Any], given: Parameters) -> None:
    """Refuse to go on with other parameters. One that an older version did not have yet had its default in effect."""
    begun = make(type(given), saved, str(file)).model_dump(mode="json")
    for name, value in given.model_dump(mode="json").items():
        if name not in _MAY_CHANGE and begun[name] != value:
            raise GpcError(
                f"{file} was begun with {section}.{name} = {begun[name]}, not {value}; "
                "choose another --out, or --restart"
            )


def _write_curves(writer: SummaryWriter, record: Record) -> None:
    for name, value in dataclasses.asdict(record).items():
        if name != "iteration" and value == value:
            writer.add_scalar(name, float(value), record.iteration, walltime=record.wall_s)
    writer.flush()
