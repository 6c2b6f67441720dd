"""Trainings of two pendulums that take a moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
import pytest

pytest.importorskip("torch")

from gpc_ros.config import make
from gpc_ros.control.spc import SpcParameters
from gpc_ros.learning.algorithm import Trainer
from gpc_ros.learning.parameters import TrainParameters
from gpc_ros.tasks.base import Task
from gpc_ros.tasks.pendulum import Pendulum

TRAIN: Mapping[str, Any] = {
    "environments": 2,
    "episode_s": 0.12,
    "plan_rate_hz": 25.0,
    "horizon_s": 0.3,
    "knots": 3,
    "samples": 3,
    "policy_samples": 2,
    "exploration": 0.0,
    "restart_share": 0.0,
    "iterations": 2,
    "gradient_steps": 12,
    "batch": 8,
    "network": {"hidden": [8]},
    "flow_steps": 2,
    "validation_starts": 1,
    "threads": 1,
}
SPC: Mapping[str, Any] = {"horizon_s": 0.3, "knots": 3}


class ShortPendulum(Pendulum):
    """Judged after a moment."""

    episode_s = 0.2
    success_window_s = 0.1

    @property
    def name(self) -> str:
        return "pendulum"


def train_parameters(**changes: Any) -> TrainParameters:
    return make(TrainParameters, {**TRAIN, **changes}, "train")


def spc_parameters(**changes: Any) -> SpcParameters:
    return make(SpcParameters, {**SPC, **changes}, "spc")


def trainer(**changes: Any) -> Trainer:
    """A training of a pendulum with the settings above, but for ``changes`` in ``TRAIN``."""
    return Trainer(ShortPendulum(), train_parameters(**changes), spc_parameters())


def stepped(task: Task, qpos: np.ndarray, qvel: np.ndarray, ctrl: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """States (E, nq), (E, nv) after ``steps`` steps of MuJoCo with one control."""
    qpos, qvel = qpos.copy(), qvel.copy()
    for position, velocity in zip(qpos, qvel, strict=True):
        data = mujoco.MjData(task.model)
        data.qpos[:], data.qvel[:], data.ctrl[:] = position, velocity, ctrl
        mujoco.mj_step(task.model, data, steps)
        position[:], velocity[:] = data.qpos, data.qvel
    return qpos, qvel


def finish(training: Trainer) -> Trainer:
    while not training.done:
        training.advance()
    return training


def weights(training: Trainer) -> dict[str, np.ndarray]:
    """All that a training ends with, by name."""
    return {**training.fit.tensors(), **{f"best {name}": value for name, value in training.best.items()}}


def assert_same(found: Trainer, expected: Trainer) -> None:
    mine, theirs = weights(found), weights(expected)
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        np.testing.assert_array_equal(value.numpy(), theirs[name].numpy(), err_msg=name)
