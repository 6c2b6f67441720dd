"""What moves nothing by itself: servos that carry their load, no effort."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from gpc_ros import actuators, registry
from gpc_ros.tasks.base import Task


def task_of(name: str) -> Task:
    return registry.load("tasks", name, Task)()


@pytest.mark.parametrize("pose", [(0.0, 0.5, 0.5), (0.6, 0.2, 1.0), (-0.8, 0.9, 0.3)])
def test_a_crane_at_rest_stays_at_rest(pose: tuple[float, float, float]) -> None:
    """The boom sags and the cable is stretched by the load: told their own places, they would give way."""
    model = task_of("crane").model
    data = mujoco.MjData(model)
    key = model.key("hanging")
    data.qpos[:], data.ctrl[:] = key.qpos, pose
    for _ in range(round(60.0 / model.opt.timestep)):
        mujoco.mj_step(model, data)
    np.testing.assert_allclose(actuators.rest(model, data.qpos), pose, atol=0.01)


@pytest.mark.parametrize("name", ["pendulum", "cart_pole", "double_cart_pole"])
def test_efforts_are_zero(name: str) -> None:
    model = task_of(name).model
    assert not actuators.servos(model).any()
    np.testing.assert_array_equal(actuators.rest(model, model.qpos0 + 0.3), 0.0)


def test_servos_of_a_humanoid_are_told_about_where_they_are() -> None:
    task = task_of("humanoid_29")
    model, qpos = task.model, task.start(task.named_start).qpos
    assert actuators.servos(model).all()
    np.testing.assert_allclose(actuators.rest(model, qpos), qpos[7:], atol=0.05)


def test_zero_outside_the_range_is_the_limit_next_to_it() -> None:
    model = mujoco.MjModel.from_xml_string(
        """
        <mujoco><worldbody><body><joint name="j" axis="0 1 0"/><geom size="0.1"/></body></worldbody>
        <actuator><motor joint="j" ctrllimited="true" ctrlrange="2 4"/></actuator></mujoco>
        """
    )
    assert actuators.rest(model, np.zeros(1)) == pytest.approx([2.0])
