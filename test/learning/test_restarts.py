"""Episodes that begin near states of low cost."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from gpc_ros.learning.environments import Environments
from gpc_ros.learning.nearby import start_spread
from gpc_ros.learning.restarts import Restarts
from gpc_ros.sampling.spline import Interpolation, Spline
from gpc_ros.tasks.particle import Particle

TASK = Particle()
SPREAD = start_spread(TASK, np.random.default_rng(0))


def robots(count: int, seed: int = 0) -> Environments:
    found = Environments(TASK, count, spline=Spline(Interpolation.ZERO, 2, 0.1, 0.01), period_steps=1)
    found.reset(np.random.default_rng(seed))
    return found


def restarts(share: float) -> Restarts:
    return Restarts(TASK, share, np.random.default_rng(0))


def noted(share: float) -> Restarts:
    """Ten visited states, of which the three with even costs below 6 are cheap."""
    found = restarts(share)
    for start in (0, 5):
        visited = robots(5, seed=start)
        visited.goal[:, 0] = np.arange(start, start + 5)
        found.note(visited, np.array([0.0, 99.0, 98.0, np.inf, 97.0]) + start)
    return found


def test_a_share_begins_near_cheap_states_with_their_goals() -> None:
    found, fleet = noted(0.5), robots(1000, seed=9)
    before = [value.copy() for value in (fleet.qpos, fleet.qvel, fleet.goal)]
    cheap = {0: (robots(5, seed=0), 0), 5: (robots(5, seed=5), 0), 4: (robots(5, seed=0), 4)}  # goal: state
    found.turn()
    found.place(fleet, np.random.default_rng(1))
    moved = (fleet.goal != before[2]).any(axis=1)
    assert moved.mean() == pytest.approx(0.5, abs=0.05)
    for now, then in zip((fleet.qpos, fleet.qvel, fleet.goal), before, strict=True):
        np.testing.assert_array_equal(now[~moved], then[~moved])
    assert set(fleet.goal[moved, 0]) == set(cheap)
    for goal, (visited, row) in cheap.items():
        rows = moved & (fleet.goal[:, 0] == goal)
        far = np.concatenate([fleet.qpos[rows] - visited.qpos[row], fleet.qvel[rows] - visited.qvel[row]], axis=1)
        assert 10**-1.5 < (far / SPREAD).std() < 10**-0.5


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_without_a_share_or_visited_states_nothing_moves(share: float) -> None:
    found, fleet = noted(share) if not share else restarts(share), robots(10)
    before = fleet.qpos.copy()
    found.turn()
    found.place(fleet, np.random.default_rng(1))
    np.testing.assert_array_equal(fleet.qpos, before)


def test_only_the_robots_asked_for_are_moved() -> None:
    found, fleet = noted(1.0), robots(10, seed=9)
    before = fleet.qpos.copy()
    found.turn()
    found.place(fleet, np.random.default_rng(1), np.array([2, 7]))
    np.testing.assert_array_equal(np.flatnonzero((fleet.qpos != before).any(axis=1)), [2, 7])


def test_states_are_those_of_the_last_iteration() -> None:
    found, fleet = noted(1.0), robots(100)
    before = fleet.qpos.copy()
    found.place(fleet, np.random.default_rng(1))  # noted in this iteration
    np.testing.assert_array_equal(fleet.qpos, before)
    found.turn()
    visited = robots(5, seed=7)
    visited.goal[:, 0] = 50.0
    found.note(visited, np.zeros(5))
    found.place(fleet, np.random.default_rng(1))
    assert set(fleet.goal[:, 0]) == {0, 4, 5}
    found.turn()
    found.place(fleet, np.random.default_rng(1))
    assert set(fleet.goal[:, 0]) == {50}


def test_states_can_be_saved_and_taken_up() -> None:
    found, again = noted(1.0), restarts(1.0)
    found.turn()
    found.note(robots(5, seed=7), np.arange(5.0))
    again.restore(found.arrays())
    for _ in range(2):
        fleets = robots(10), robots(10)
        for each, fleet in zip((found, again), fleets, strict=True):
            each.place(fleet, np.random.default_rng(1))
            each.turn()
        np.testing.assert_array_equal(fleets[1].qpos, fleets[0].qpos)
    again.restore({})
    assert again.arrays() == {}
