"""Previewed paths are those that the physics takes."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from gpc_ros import registry
from gpc_ros.errors import InvalidModel
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Plan, Samples
from gpc_ros.tasks.base import Task
from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.tasks.double_cart_pole import DoubleCartPole
from gpc_ros.viz.preview import Preview

NS = 1_000_000_000
MS = 1_000_000
TASK = CartPole()
QPOS, QVEL = np.array([0.1, 0.5]), np.array([0.2, -0.3])


def plan(interpolation: Interpolation = Interpolation.LINEAR, *, knots: int = 6, seed: int = 0) -> Plan:
    values = np.random.default_rng(seed).uniform(-1.0, 1.0, (knots, 1))
    return Plan(NS, NS, 100 * MS, values, interpolation)


def stepped(given: Plan, now_ns: int, point: str = "tip") -> np.ndarray:
    """Positions (steps + 1, 3) of site ``point``, step by step."""
    model, data = TASK.model, mujoco.MjData(TASK.model)
    data.qpos[:], data.qvel[:] = QPOS, QVEL
    found = []
    while True:
        mujoco.mj_kinematics(model, data)
        found.append(data.site(point).xpos.copy())
        ctrl = given.at(now_ns)
        if ctrl is None or now_ns + 10 * MS > given.end_ns:
            return np.array(found)
        data.ctrl[:] = ctrl
        mujoco.mj_step(model, data)
        now_ns += 10 * MS


@pytest.mark.parametrize("interpolation", Interpolation)
@pytest.mark.parametrize("late_ns", [0, 130 * MS])
def test_a_path_is_that_of_the_physics_under_the_plan(interpolation: Interpolation, late_ns: int) -> None:
    given = plan(interpolation)
    found = Preview(TASK).path(QPOS, QVEL, given, NS + late_ns)
    every = stepped(given, NS + late_ns)
    assert found.shape[1:] == (1, 3)
    assert 10 < len(found) <= 50
    np.testing.assert_allclose(found[0, 0], every[0], atol=1e-9)
    np.testing.assert_allclose(found[-1, 0], every[-1], atol=1e-6)
    for position in found[:, 0]:
        assert np.abs(every - position).max(axis=1).min() < 1e-6


def test_paths_of_several_plans_are_those_of_each() -> None:
    plans = [plan(seed=seed) for seed in range(4)]
    samples = Samples(NS, 100 * MS, np.array([each.knots for each in plans]), Interpolation.LINEAR)
    preview = Preview(TASK)
    found = preview.paths(QPOS, QVEL, samples, NS)
    for path, each in zip(found, plans, strict=True):
        np.testing.assert_array_equal(path, preview.path(QPOS, QVEL, each, NS))


@pytest.mark.parametrize("now_ns", [NS + 500 * MS, NS + 900 * MS])
def test_a_plan_that_has_ended_leads_nowhere(now_ns: int) -> None:
    assert Preview(TASK).path(QPOS, QVEL, plan(), now_ns).shape == (0, 1, 3)


def test_a_plan_that_begins_later_holds_its_first_knot_until_then() -> None:
    given = plan()
    found = Preview(TASK).path(QPOS, QVEL, given, NS - 40 * MS)
    np.testing.assert_array_equal(found, Preview(TASK).path(QPOS, QVEL, given, NS))


@pytest.mark.parametrize("interpolation", Interpolation)
def test_a_plan_without_knots_leads_nowhere(interpolation: Interpolation) -> None:
    empty = Plan(NS, NS, 1, np.empty((0, 1)), interpolation)
    assert len(Preview(TASK).path(QPOS, QVEL, empty, NS)) == 0
    nothing = Samples(NS, 100 * MS, np.empty((0, 6, 1)), interpolation)
    assert len(Preview(TASK).paths(QPOS, QVEL, nothing, NS)) == 0


def test_a_state_that_the_physics_cannot_follow_gives_no_path() -> None:
    samples = Samples(NS, 100 * MS, np.zeros((2, 6, 1)), Interpolation.LINEAR)
    for wild in (np.nan, 1e300):
        assert len(Preview(TASK).path(QPOS, np.array([0.0, wild]), plan(), NS)) == 0
    assert np.isnan(Preview(TASK).paths(QPOS, np.array([0.0, 1e300]), samples, NS)).all()


@pytest.mark.parametrize("robot", registry.names("tasks"))
def test_every_robot_traces_points_that_it_has(robot: str) -> None:
    task = registry.load("tasks", robot, Task)()
    start, nu = task.start(task.named_start), task.model.nu
    path = Preview(task).path(start.qpos, start.qvel, Plan(NS, NS, 100 * MS, np.zeros((5, nu))), NS)
    assert path.shape[1:] == (len(task.traced) or 1, 3)


def test_the_traced_points_are_those_named_and_the_last_body_by_default() -> None:
    start = np.array([0.3, np.pi, 0.0])
    still = Plan(NS, NS, 100 * MS, np.zeros((3, 1)))
    tip, elbow = Preview(DoubleCartPole()).path(start, np.zeros(3), still, NS)[0]
    np.testing.assert_allclose([tip, elbow], [[0.3, 0.0, 4.0], [0.3, 0.0, 3.0]], atol=1e-9)

    class Quiet(DoubleCartPole):
        traced = ()
        model = DoubleCartPole().model

    (last,) = Preview(Quiet()).path(start, np.zeros(3), still, NS)[0]
    np.testing.assert_allclose(last, elbow)


def test_a_point_that_is_not_there_is_named() -> None:
    class Wrong(CartPole):
        traced = ("top",)
        model = TASK.model

    with pytest.raises(InvalidModel, match=r"no site, body or geom 'top' to trace. Sites: tip; bodies: world, cart"):
        Preview(Wrong())
