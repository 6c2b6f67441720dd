"""The mirror image of a task is one: the mirrored robot, driven by mirrored controls, stays the mirror image."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from gpc_ros import config, registry
from gpc_ros.signals import Array
from gpc_ros.tasks.base import States, Task

TASKS = {name: registry.load("tasks", name, Task)() for name in config.robots()}
SYMMETRIC = [name for name, task in TASKS.items() if task.mirror() is not None]


IMAGES: dict[str, Array] = {
    **{name: -np.eye(TASKS[name].model.nv) for name in ("pendulum", "cart_pole", "double_cart_pole")},
    "push_t": np.diag((-1.0, 1.0, -1.0, -1.0, 1.0)),
    "walker": np.eye(9)[[0, 1, 2, 6, 7, 8, 3, 4, 5]],
}
"""What turns a state into its mirror image."""


def observe(task: Task, data: mujoco.MjData) -> Array:
    sensors = data.sensordata[np.newaxis] if task.needs_sensors else None
    return task.observe(States(data.qpos[np.newaxis], data.qvel[np.newaxis], sensors), np.array(task.goal))[0]


def cost(task: Task, data: mujoco.MjData) -> Array:
    states = States(data.qpos[np.newaxis], data.qvel[np.newaxis])
    return task.running_cost(states, data.ctrl[np.newaxis], np.array(task.goal))


def test_the_small_systems_are_symmetric() -> None:
    assert {"pendulum", "cart_pole", "double_cart_pole"} <= set(SYMMETRIC)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_a_mirror_undoes_itself_and_keeps_the_ctrlrange(name: str) -> None:
    task = TASKS[name]
    for matrix in task.mirror() or ():
        np.testing.assert_array_equal(matrix @ matrix, np.eye(len(matrix)))
    _, driven = task.mirror() or ((), ())
    low, high = task.model.actuator_ctrlrange.T
    ends = np.stack((driven @ low, driven @ high))
    np.testing.assert_array_equal(ends.min(axis=0), low)
    np.testing.assert_array_equal(ends.max(axis=0), high)


@pytest.mark.parametrize("name", IMAGES)
def test_observation_and_cost_of_the_mirrored_robot(name: str) -> None:
    task, rng, image = TASKS[name], np.random.default_rng(0), IMAGES[name]
    seen, driven = task.mirror() or ((), ())
    here, there = mujoco.MjData(task.model), mujoco.MjData(task.model)
    start = task.reset(rng)
    here.qpos[:], here.qvel[:], there.qpos[:], there.qvel[:] = (
        *(start.qpos, start.qvel),
        *(image @ start.qpos, image @ start.qvel),
    )
    for _ in range(50):
        here.ctrl[:] = rng.uniform(*task.model.actuator_ctrlrange.T)
        there.ctrl[:] = driven @ here.ctrl
        np.testing.assert_allclose(observe(task, there), seen @ observe(task, here), atol=1e-6)
        np.testing.assert_allclose(cost(task, there), cost(task, here), rtol=1e-6)
        mujoco.mj_step(task.model, here)
        mujoco.mj_step(task.model, there)
