"""States of any task and of any batch shape, with sensors where the task reads them."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from gpc_ros.signals import Array
from gpc_ros.tasks.base import States, Task


class Batch:
    """Random states (shape) of ``task``, drawn around its starts; read-only, as the planner's buffers should be."""

    def __init__(self, task: Task, shape: tuple[int, ...], seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        model = task.model
        data = mujoco.MjData(model)
        count = int(np.prod(shape, dtype=int))
        qpos, qvel = np.empty((count, model.nq)), np.empty((count, model.nv))
        sensors = np.empty((count, model.nsensordata))
        for i in range(count):
            start = task.reset(rng)
            data.qpos[:], data.qvel[:] = start.qpos, start.qvel
            mujoco.mj_forward(model, data)
            qpos[i], qvel[i], sensors[i] = data.qpos, data.qvel, data.sensordata
        self.states = States(
            self._frozen(qpos, shape),
            self._frozen(qvel, shape),
            self._frozen(sensors, shape) if task.needs_sensors else None,
        )
        low, high = model.actuator_ctrlrange.T
        self.ctrl = self._frozen(rng.uniform(low, high, (count, model.nu)), shape)
        self.goal = self._frozen(task.reset(rng).goal, ())

    @staticmethod
    def _frozen(values: Array, shape: tuple[int, ...]) -> Array:
        values = values.reshape(*shape, values.shape[-1])
        values.setflags(write=False)
        return values

    def at(self, index: tuple[int, ...]) -> tuple[States, Array]:
        """The single state and control at ``index``."""
        sensors = None if self.states.sensors is None else self.states.sensors[index]
        return States(self.states.qpos[index], self.states.qvel[index], sensors), self.ctrl[index]


@pytest.fixture(scope="session")
def batch() -> type[Batch]:
    return Batch
