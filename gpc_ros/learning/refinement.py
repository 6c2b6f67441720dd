"""Improves a policy with what a deployed planner recorded (arXiv 2502.13406, V-B)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpc_ros import registry
from gpc_ros.control import plan_log
from gpc_ros.control.previous import Grid
from gpc_ros.errors import GpcError
from gpc_ros.learning import checkpoint
from gpc_ros.learning.algorithm import Trainer
from gpc_ros.tasks.base import Task


def from_log(file: Path, folder: Path) -> tuple[Trainer, dict[str, Any]]:
    """A trainer that takes up the checkpoint ``file`` for one more fit, on its data and those recorded in ``folder``.

    Returns:
        The trainer, and what it is made from: the path and the digest of the training that it refines, its settings,
        the files of the log and their sizes.

    Raises:
        GpcError: if either cannot be read, the log is of another robot, or there is no policy to refine yet.
    """
    about, arrays = checkpoint.read(file)
    train, spc = checkpoint.settings(file, about)
    with checkpoint.complete(file):
        iterations = about["progress"]["iteration"]
        task: Task = registry.load("tasks", about["robot"], Task)()
        trainer = Trainer(task, train.model_copy(update={"iterations": iterations + 1}), spc)
        trainer.restore(about, arrays)
    if not iterations:
        raise GpcError(f"{file}: no iteration has ended yet, there is no policy to refine")
    spline, sizes = trainer.collector.spline, trainer.sizes
    grid = Grid(spline.num_knots, spline.period_ns, spline.kind)
    widths = (sizes["observation"], sizes["actuators"])
    log = _sizes(folder)
    trainer.learn_from(plan_log.read(folder, task.name, grid, widths))
    digest, settings = checkpoint.digest(arrays), about.get("settings", {})
    return trainer, {"base": str(file.parent), "digest": digest, "settings": settings, "log": log}


def _sizes(folder: Path) -> dict[str, int]:
    try:
        return {file.name: file.stat().st_size for file in sorted(folder.glob("*.npz"))}
    except OSError as error:  # a planner that goes on recording drops the oldest
        raise GpcError(f"{error.filename}: {error.strerror}") from None
