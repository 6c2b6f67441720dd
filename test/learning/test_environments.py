"""Many robots at once move as each would alone."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

pytest.importorskip("torch")

from gpc_ros import actuators
from gpc_ros.learning.environments import Environments
from gpc_ros.sampling.spline import Interpolation, Spline
from gpc_ros.tasks.base import Task
from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.tasks.crane import Crane
from gpc_ros.tasks.particle import Particle


def environments(task: Task, count: int, *, period_steps: int = 3, kind: str = "cubic") -> Environments:
    spline = Spline(Interpolation(kind), 4, 0.2, task.model.opt.timestep)
    return Environments(task, count, spline=spline, period_steps=period_steps)


def started(task: Task, count: int, **options: float) -> Environments:
    robots = environments(task, count)
    robots.reset(np.random.default_rng(0), **options)
    return robots


def test_resting_plans_let_each_robot_carry_itself_where_it_is() -> None:
    robots = started(Crane(), 3)
    plans = robots.resting(4)
    assert plans.shape == (3, 4, 3)
    for qpos, plan in zip(robots.qpos, plans, strict=True):
        np.testing.assert_array_equal(plan, np.tile(actuators.rest(Crane().model, qpos), (4, 1)))
    assert np.ptp(plans, axis=0).max() > 0.1  # each its own


@pytest.mark.parametrize("period_steps", [1, 3])
@pytest.mark.parametrize("kind", ["zero", "linear", "cubic"])
def test_a_period_is_so_many_steps_of_mujoco(period_steps: int, kind: str) -> None:
    task = CartPole()
    robots = environments(task, 3, period_steps=period_steps, kind=kind)
    robots.reset(np.random.default_rng(0))
    plans = np.random.default_rng(1).uniform(-1.5, 1.5, (3, 4, 1))  # some beyond the ctrlrange
    controls = Spline(Interpolation(kind), 4, 0.2, 0.01).controls(plans)
    expected_q, expected_v = np.zeros((2, 3, period_steps + 1, 2))
    for row in range(3):
        data = mujoco.MjData(task.model)
        data.qpos[:], data.qvel[:] = robots.qpos[row], robots.qvel[row]
        for step in range(period_steps + 1):
            expected_q[row, step], expected_v[row, step] = data.qpos, data.qvel
            data.ctrl[:] = np.clip(controls[row, step], -1.0, 1.0)
            mujoco.mj_step(task.model, data)
    passed = robots.advance(plans)
    np.testing.assert_allclose(passed.qpos, expected_q[:, :-1], atol=1e-12)
    np.testing.assert_allclose(passed.qvel, expected_v[:, :-1], atol=1e-12)
    np.testing.assert_allclose(robots.qpos, expected_q[:, -1], atol=1e-12)
    np.testing.assert_allclose(robots.qvel, expected_v[:, -1], atol=1e-12)


def test_a_robot_whose_physics_diverges_stays_where_it_was() -> None:
    robots = started(CartPole(), 3)
    robots.qvel[1] = [1e11, 0.0]  # MuJoCo gives up
    qpos, qvel = robots.qpos.copy(), robots.qvel.copy()
    robots.advance(np.zeros((3, 4, 1)))
    np.testing.assert_array_equal(robots.qpos[1], qpos[1])
    np.testing.assert_array_equal(robots.qvel[1], qvel[1])
    assert (robots.qpos[[0, 2]] != qpos[[0, 2]]).any(axis=1).all()


def test_what_it_went_through_is_not_overwritten_by_the_next_period() -> None:
    robots = started(CartPole(), 2)
    passed = robots.advance(np.zeros((2, 4, 1)))
    before = passed.qpos.copy()
    robots.advance(np.ones((2, 4, 1)))
    np.testing.assert_array_equal(passed.qpos, before)


def test_about_the_named_share_begins_at_the_named_start() -> None:
    task = CartPole()
    named = task.start(task.named_start)
    shares = {}
    for share in (0.0, 0.25, 1.0):
        robots = started(task, 400, named_share=share)
        found = (robots.qpos == named.qpos).all(axis=1) & (robots.qvel == named.qvel).all(axis=1)
        shares[share] = found.mean()
    assert (shares[0.0], shares[1.0]) == (0.0, 1.0)
    assert shares[0.25] == pytest.approx(0.25, abs=3 * np.sqrt(0.25 * 0.75 / 400))


def test_the_named_share_changes_no_other_start() -> None:
    task = CartPole()
    plain, mixed = started(task, 20), started(task, 20, named_share=0.5)
    random = (mixed.qpos != task.start(task.named_start).qpos).any(axis=1)
    assert 0 < random.sum() < 20
    np.testing.assert_array_equal(mixed.qpos[random], plain.qpos[random])


def test_each_robot_has_a_goal_of_its_own_and_sees_it() -> None:
    task = Particle()
    robots = started(task, 5)
    assert len(np.unique(robots.goal, axis=0)) == 5
    goal = robots.goal.copy()
    robots.advance(np.ones((5, 4, 2)))
    np.testing.assert_array_equal(robots.goal, goal)
    np.testing.assert_allclose(robots.observe(), np.concatenate([robots.qpos - goal, robots.qvel], axis=1))


class Unclamped(CartPole):
    """MuJoCo does not see to the ctrlrange."""

    @property
    def name(self) -> str:
        return "cart_pole"

    def load_model(self) -> mujoco.MjModel:
        model = super().load_model()
        model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CLAMPCTRL
        return model


def test_controls_stay_in_the_ctrlrange() -> None:
    most, beyond = started(Unclamped(), 2), started(Unclamped(), 2)
    most.advance(np.ones((2, 4, 1)))
    beyond.advance(np.full((2, 4, 1), 5.0))
    np.testing.assert_array_equal(beyond.qvel, most.qvel)


class BySensors(CartPole):
    """With the cart's position and speed measured."""

    needs_sensors = True

    @property
    def name(self) -> str:
        return "cart_pole"

    def load_model(self) -> mujoco.MjModel:
        text = self.model_file.read_text().replace(
            "</actuator>", '</actuator><sensor><jointpos joint="slider"/><jointvel joint="slider"/></sensor>'
        )
        return mujoco.MjModel.from_xml_string(text)


def test_sensors_come_with_the_states_where_they_are_wanted() -> None:
    robots = started(BySensors(), 3)
    passed = robots.advance(np.ones((3, 4, 1)))
    np.testing.assert_allclose(passed.sensors[..., 0], passed.qpos[..., 0], atol=1e-12)
    np.testing.assert_allclose(passed.sensors[..., 1], passed.qvel[..., 0], atol=1e-12)
    assert started(CartPole(), 3).advance(np.ones((3, 4, 1))).sensors is None
