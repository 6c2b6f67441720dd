"""The crane's tour from goal to goal."""

from __future__ import annotations

import numpy as np
import pytest

from gpc_ros import goal_tour
from gpc_ros.closed_loop import ClosedLoop


def test_goals_begin_with_the_fixed_one_and_keep_to_the_published_range() -> None:
    goals = goal_tour.goals(0)
    assert goals.shape == (51, 3)
    np.testing.assert_array_equal(goals[0], (0.0, 1.5, 0.8))
    assert (goals.min(axis=0) >= (-1.5, 1.0, 0.0)).all()
    assert (goals.max(axis=0) <= (1.5, 2.0, 1.5)).all()
    assert not np.array_equal(goals, goal_tour.goals(1))


def test_a_crane_that_does_nothing_gives_every_goal_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goal_tour, "LIMIT_S", 0.1)
    tour = goal_tour.run(count=3, overrides={"controller": {"planner": "hold"}})
    assert tour.reached == 0
    assert tour.total_s == pytest.approx(0.3)


def test_sampling_reaches_goals_and_the_next_one_comes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pursued = []
    set_goal = ClosedLoop.set_goal
    monkeypatch.setattr(ClosedLoop, "set_goal", lambda self, goal: (pursued.append(goal), set_goal(self, goal)))
    tour = goal_tour.run(count=2, estimator="truth", overrides={"spc": {"threads": 1}})
    assert tour.reached == 2
    assert 0.5 < tour.total_s < 20.0
    np.testing.assert_array_equal(pursued[-2:], goal_tour.goals(0)[:2])


def test_the_model_error_is_the_plants_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    time_to = goal_tour._time_to
    monkeypatch.setattr(goal_tour, "_time_to", lambda loop, goal: made.append(loop) or time_to(loop, goal))
    monkeypatch.setattr(goal_tour, "LIMIT_S", 0.01)
    goal_tour.run(count=1, error=True, overrides={"controller": {"planner": "hold"}})
    ((plant, planned),) = [(loop.simulation.model, loop.task.model) for loop in made]
    payload = planned.body("payload").id
    assert plant.body_mass[payload] == pytest.approx(1.5 * planned.body_mass[payload])
    np.testing.assert_allclose(plant.body_inertia[payload], 1.5 * planned.body_inertia[payload])
    np.testing.assert_allclose(plant.dof_damping, 0.01 * planned.dof_damping)
