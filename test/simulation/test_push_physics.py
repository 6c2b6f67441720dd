"""Pushes: the momentum that they give, when they end, what is refused."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from gpc_ros import registry
from gpc_ros.errors import InvalidSignal, UnknownName
from gpc_ros.signals import Array
from gpc_ros.simulation.parameters import SimulationParameters
from gpc_ros.simulation.pushes import DURATION_S, Push, movable
from gpc_ros.simulation.simulation import Simulation
from gpc_ros.tasks.base import Task

PERIOD = 2_000_000
NONE = np.zeros(3)


def make(robot: str = "double_cart_pole", **parameters: object) -> Simulation:
    task = registry.load("tasks", robot, Task)()
    simulation = Simulation(task, SimulationParameters(start="named", **parameters), period_ns=PERIOD)
    simulation.model.dof_damping[:] = 0.0
    return simulation


def momentum(simulation: Simulation) -> Array:
    """Of all bodies together (3,) [kg m/s]."""
    mujoco.mj_subtreeVel(simulation.model, simulation.data)
    return simulation.data.subtree_linvel[0] * simulation.model.body_subtreemass[0]


def run(simulation: Simulation, seconds: float) -> None:
    for _ in range(round(seconds * 1e9 / PERIOD)):
        simulation.step(None)
    mujoco.mj_forward(simulation.model, simulation.data)


@pytest.mark.parametrize("body", ["cart", "pole_1", "pole_2"])
def test_a_push_gives_force_times_duration_as_momentum(body: str) -> None:
    """Nothing holds the cart along its rail: whichever body is pushed, the whole robot gets the momentum, once."""
    simulation = make()
    simulation.push(Push(body, np.array([3.0, 0.0, 0.0]), NONE))
    run(simulation, DURATION_S)
    given = momentum(simulation)[0]
    assert given == pytest.approx(3.0 * DURATION_S, rel=0.02)
    run(simulation, 0.1)
    assert momentum(simulation)[0] == pytest.approx(given, rel=0.02)


def test_pushes_that_overlap_add_up_and_opposite_ones_cancel() -> None:
    double, cancelled, none = make(), make(), make()
    for _ in range(2):
        double.push(Push("cart", np.array([2.0, 0.0, 0.0]), NONE))
    cancelled.push(Push("cart", np.array([2.0, 0.0, 0.0]), NONE))
    cancelled.push(Push("cart", np.array([-2.0, 0.0, 0.0]), NONE))
    for simulation in (double, cancelled, none):
        run(simulation, 2 * DURATION_S)
    assert momentum(double)[0] == pytest.approx(4.0 * DURATION_S, rel=0.02)
    assert np.array_equal(cancelled.data.qpos, none.data.qpos)


def test_a_torque_turns() -> None:
    simulation = make("pendulum")
    before = simulation.data.qpos[0]
    simulation.push(Push("link", NONE, np.array([0.0, 1.0, 0.0])))
    run(simulation, DURATION_S)
    assert abs(simulation.data.qpos[0] - before) > 1e-3


def test_a_reset_ends_a_push() -> None:
    simulation = make()
    simulation.push(Push("cart", np.array([50.0, 0.0, 0.0]), NONE))
    run(simulation, DURATION_S / 2)
    simulation.reset()
    run(simulation, DURATION_S)
    assert abs(momentum(simulation)[0]) < 1e-9


def test_without_a_push_nothing_changes() -> None:
    one, other = make(), make()
    other.push(Push("cart", NONE, NONE))
    for simulation in (one, other):
        run(simulation, 2 * DURATION_S)
    assert np.array_equal(one.data.qpos, other.data.qpos)


@pytest.mark.parametrize("body", ["tail", "world", ""])
def test_an_unknown_body_is_refused_with_those_there_are(body: str) -> None:
    with pytest.raises(UnknownName, match="Valid: cart, pole_1, pole_2"):
        make().push(Push(body, NONE, NONE))


def test_bodies_that_cannot_move_are_not_offered() -> None:
    assert movable(make("pendulum").model) == ("link",)  # the base stands, the world too
    assert movable(make("particle").model) == ("pointmass",)  # the goal is only a mark


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    for push in (Push("cart", np.full(3, value), NONE), Push("cart", NONE, np.full(3, value))):
        with pytest.raises(InvalidSignal, match="'cart' is not finite"):
            make().push(push)
