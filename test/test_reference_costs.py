"""The mean-cost protocol: what is added up, how far candidates are spread, and that every robot of it can be run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpc_ros import reference_costs, registry
from gpc_ros.control.spc import Spc
from gpc_ros.errors import UnknownName
from gpc_ros.reference_costs import PROTOCOLS
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Estimate, Plan
from gpc_ros.tasks.base import Task

TOTAL_S = {
    "pendulum": 10.0, "cart_pole": 10.0, "double_cart_pole": 9.6, "push_t": 10.0, "walker": 10.2, "crane": 10.4,
    "humanoid_29": 10.2,
}  # fmt: skip


def task_of(robot: str) -> Task:
    task: Task = registry.load("tasks", robot, Task)()
    return task


def test_runs_are_as_long_as_the_published_ones() -> None:
    found = {robot: settings.horizons * settings.horizon_s for robot, settings in PROTOCOLS.items()}
    assert found == pytest.approx(TOTAL_S)


@pytest.mark.parametrize("robot", ["push_t", "walker", "crane", "humanoid_29"])
def test_a_run_is_reproducible_and_another_start_another_run(robot: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROTOCOLS, robot, replace(PROTOCOLS[robot], horizons=1))
    first, again, other = (reference_costs.mean_cost(robot, seed, samples=2) for seed in (0, 0, 1))
    assert first == again != other
    assert np.isfinite(first)


def test_contacts_are_solved_as_published_not_as_in_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROTOCOLS, "walker", replace(PROTOCOLS["walker"], horizons=1))
    published = reference_costs.mean_cost("walker", 0, samples=2)
    monkeypatch.setattr(reference_costs, "_SOLVER_ITERATIONS", task_of("walker").model.opt.iterations)
    assert reference_costs.mean_cost("walker", 0, samples=2) != published


def test_the_running_cost_counts_at_each_step_and_the_terminal_cost_once_per_horizon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By hand: 10 at each of 30 steps and 10 once, of the humanoid's constant alone."""
    weights = {"height": 0.0, "upright": 0.0, "posture": 0.0, "orientation": 10.0}
    settings = replace(PROTOCOLS["humanoid_29"], horizons=2, weights=weights)
    monkeypatch.setitem(PROTOCOLS, "humanoid_29", settings)
    assert reference_costs.mean_cost("humanoid_29", 0, samples=1) == pytest.approx(10.0 + 10.0 / 30.0)


@pytest.mark.parametrize("robot", PROTOCOLS)
def test_candidates_are_spread_as_far_as_the_published_ones(robot: str) -> None:
    """In actuator units, whatever the ctrlrange."""
    task, settings = task_of(robot), PROTOCOLS[robot]
    spc = Spc(task, reference_costs._parameters(task, settings, 0, 500, 0))
    start, middle = task.start(task.named_start), task.model.actuator_ctrlrange.mean(axis=1)
    period_ns = round(settings.knot_s * 1e9)
    nominal = Plan(1, 1, period_ns, np.tile(middle, (settings.knots, 1)), Interpolation.ZERO, "spc")
    assert spc.plan(Estimate(1, start.qpos, start.qvel), nominal) is not None
    tried = spc.candidates(500)
    assert tried is not None
    unclipped = np.ptp(task.model.actuator_ctrlrange, axis=1) / 2 > 3.0 * settings.noise
    assert unclipped.any()
    spread = (tried[0].knots - middle).std(axis=(0, 1))
    assert spread[unclipped] == pytest.approx(settings.noise, rel=0.1)


def test_a_robot_without_published_figures_is_refused() -> None:
    with pytest.raises(UnknownName, match="unknown robot of the protocol 'particle'"):
        reference_costs.protocol("particle")
