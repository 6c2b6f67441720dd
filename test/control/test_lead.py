"""The state at which the next plan will take over, against the plant itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpc_ros import registry
from gpc_ros.control.lead import Lead, driving
from gpc_ros.control.previous import Previous
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Command, Estimate, Plan
from gpc_ros.simulation.parameters import SimulationParameters
from gpc_ros.simulation.simulation import Simulation
from gpc_ros.tasks.base import Task

PERIOD = 2_000_000
TASK = registry.load("tasks", "double_cart_pole", Task)()


@pytest.fixture
def plant() -> Simulation:
    return Simulation(TASK, SimulationParameters(start="random", seed=1), period_ns=PERIOD)


def estimate_of(plant: Simulation) -> Estimate:
    return Estimate(plant.stamp_ns, plant.data.qpos.copy(), plant.data.qvel.copy())


def plan_at(stamp_ns: int, **changes: object) -> Plan:
    knots = np.linspace(-1.0, 1.0, 6)[:, np.newaxis]
    return replace(Plan(stamp_ns, stamp_ns, 10_000_000, knots, Interpolation.LINEAR), **changes)


@pytest.mark.parametrize("periods", [1, 6, 20])
def test_ahead_is_where_the_plant_gets_under_the_plan(plant: Simulation, periods: int) -> None:
    estimate, plan = estimate_of(plant), plan_at(plant.stamp_ns)
    ahead = Lead(TASK, PERIOD).ahead(estimate, plan, periods * PERIOD)
    for _ in range(periods):
        plant.step(Command(plant.stamp_ns, plan.at(plant.stamp_ns)))
    assert ahead.stamp_ns == plant.stamp_ns
    np.testing.assert_allclose(ahead.qpos, plant.data.qpos, atol=1e-12)
    np.testing.assert_allclose(ahead.qvel, plant.data.qvel, atol=1e-10)


def test_what_drives_is_the_drivers_plan_or_the_command_that_goes_on(plant: Simulation) -> None:
    estimate, plans = estimate_of(plant), Previous()
    own, policy = (plan_at(plant.stamp_ns, planner=planner) for planner in ("spc", "policy"))
    for plan in (own, policy):
        plans.add(plan)
    command = Command(plant.stamp_ns, np.array([0.3]))
    assert driving("policy", plans, command, estimate) is policy
    assert driving("spc", plans, command, estimate) is own
    assert driving("none", plans, command, estimate) is None
    for rung in ("hold", "stop"):
        held = driving(rung, plans, command, estimate)
        assert held is not None
        assert {float(held.at(plant.stamp_ns + time_ns)[0]) for time_ns in (0, 10**8, 10**9)} == {0.3}
        assert driving(rung, plans, None, estimate) is None
        assert driving(rung, plans, replace(command, epoch=1), estimate) is None
        assert driving(rung, plans, replace(command, ctrl=np.array([np.nan])), estimate) is None


def test_without_a_plan_that_holds_so_long_the_estimate_stays(plant: Simulation) -> None:
    lead, estimate = Lead(TASK, PERIOD), estimate_of(plant)
    plan = plan_at(plant.stamp_ns)
    assert lead.ahead(estimate, None, 5 * PERIOD) is estimate
    assert lead.ahead(estimate, plan, 0) is estimate
    assert lead.ahead(estimate, plan, 60_000_000) is estimate
    assert lead.ahead(estimate, replace(plan, epoch=1), 5 * PERIOD) is estimate
