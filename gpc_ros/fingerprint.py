"""Tells one robot from another, or from itself after a change, so that results are not taken for those of both."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path

import mujoco
import numpy as np

from gpc_ros import config, registry
from gpc_ros.tasks.base import Task


def of_robot(robot: str) -> str:
    """SHA-256 of what a run of ``robot`` depends on: parameter file, model with all its parts, the task's own code.

    Raises:
        GpcError: if there is no such robot, or one of them cannot be read.
    """
    task: Task = registry.load("tasks", robot, Task)()
    compiled = np.empty(mujoco.mj_sizeModel(task.model), np.uint8)
    mujoco.mj_saveModel(task.model, None, compiled)
    found = hashlib.sha256(compiled.tobytes())
    found.update(config.file_of(robot).read_bytes())
    for kind in type(task).__mro__:
        if issubclass(kind, Task):
            found.update(Path(inspect.getfile(kind)).read_bytes())
    return found.hexdigest()
