"""Improves a policy with what a deployed planner recorded (arXiv 2502.13406, V-B)."""

from __future__ import annotations

from pathlib import Path

from gpc_ros import registry
from gpc_ros.control import plan_log
from gpc_ros.control.previous import Grid
from gpc_ros.learning import checkpoint
from gpc_ros.learning.algorithm import Trainer
from gpc_ros.tasks.base import Task


def from_log(file: Path, folder: Path) -> Trainer:
    """A trainer that takes up the checkpoint ``file`` for one more fit, on its data and those recorded in ``folder``.

    Raises:
        GpcError: if either cannot be read, or the log is of another robot.
    """
    about, arrays = checkpoint.read(file)
    train, spc = checkpoint.settings(file, about)
    with checkpoint.complete(file):
        train = train.model_copy(update={"iterations": about["progress"]["iteration"] + 1})
        task: Task = registry.load("tasks", about["robot"], Task)()
        trainer = Trainer(task, train, spc)
        trainer.restore(about, arrays)
    spline, sizes = trainer.collector.spline, trainer.sizes
    grid = Grid(spline.num_knots, spline.period_ns, spline.kind)
    widths = (sizes["observation"], sizes["actuators"])
    trainer.learn_from(plan_log.read(folder, task.name, grid, widths))
    return trainer
