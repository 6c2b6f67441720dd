"""What a run is judged by: trajectory, digest, success, cost."""

from __future__ import annotations

import hashlib
import itertools
import math

import numpy as np
import pytest

from gpc_ros import registry
from gpc_ros.simulation import run_log
from gpc_ros.simulation.run_log import RunLog
from gpc_ros.tasks.base import States, Task

PERIOD = 2_000_000
TASK = registry.load("tasks", "cart_pole", Task)()
GOAL_HELD = round(TASK.success_window_s * 500)  # ticks


def states(count: int, *, seed: int = 0) -> list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [(tick * PERIOD, rng.random(2), rng.random(2), rng.random(1)) for tick in range(1, count + 1)]


def log_of(rows: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]) -> RunLog:
    log = RunLog(TASK)
    for row in rows:
        log.add(*row)
    return log


def upright(count: int, *, first: int = 1) -> list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Ticks at the goal."""
    goal = next(
        q
        for q in ([0.0, math.pi], [0.0, 0.0])
        if TASK.at_goal(States(np.array([q]), np.zeros((1, 2))), np.array([]))[0]
    )
    return [(tick * PERIOD, np.array(goal), np.zeros(2), np.zeros(1)) for tick in range(first, first + count)]


def test_arrays_are_what_was_added_from_time_zero_on() -> None:
    rows = states(20)
    times, found, ctrl = log_of(rows).arrays()
    assert times.tolist() == [(row[0] - rows[0][0]) / 1e9 for row in rows]
    assert np.array_equal(found.qpos, [row[1] for row in rows])
    assert np.array_equal(found.qvel, [row[2] for row in rows])
    assert np.array_equal(ctrl, [row[3] for row in rows])


def test_what_was_added_is_not_what_the_caller_goes_on_changing() -> None:
    row = states(1)[0]
    log = log_of([row])
    before = row[1].copy()
    row[1][:] = 7.0
    assert np.array_equal(log.arrays()[1].qpos[0], before)


def test_the_digest_is_that_of_the_bytes() -> None:
    rows = states(10)
    expected = hashlib.sha256(b"".join(value.tobytes() for row in rows for value in row[1:])).hexdigest()
    assert log_of(rows).digest == expected


@pytest.mark.parametrize("column", [1, 2, 3])
def test_the_smallest_change_of_anything_changes_the_digest(column: int) -> None:
    rows = states(10)
    rows[5][column][0] = np.nextafter(rows[5][column][0], 2.0)
    assert log_of(rows).digest != log_of(states(10)).digest


def test_the_digest_goes_on_over_a_reset_and_knows_of_what_was_forgotten() -> None:
    log = log_of(states(5))
    log.clear()
    for row in states(5, seed=1):
        log.add(*row)
    assert log.digest == log_of(states(5) + states(5, seed=1)).digest
    assert len(log.arrays()[0]) == 5


def test_costs_are_those_of_the_task() -> None:
    rows = states(50)
    log = log_of(rows)
    summary = log.summary()
    each = [TASK.running_cost(States(q[None], v[None]), u[None], log.goal)[0] for _, q, v, u in rows]
    assert summary["mean_cost"] == pytest.approx(np.mean(each), rel=1e-12)
    changes = [abs(b[3][0] - a[3][0]) for a, b in itertools.pairwise(rows)]
    assert summary["mean_abs_du"] == pytest.approx(np.mean(changes), rel=1e-12)


@pytest.mark.parametrize("count", [0, 1])
def test_too_short_a_run_has_no_cost_and_no_success(count: int) -> None:
    summary = log_of(upright(count)).summary()
    assert summary["success"] is False
    assert math.isnan(summary["mean_cost"])


def test_success_is_the_goal_held_through_the_window_at_the_end() -> None:
    away = [(tick * PERIOD, np.array([0.0, 1.5]), np.zeros(2), np.zeros(1)) for tick in range(1, 101)]
    held = upright(GOAL_HELD + 1, first=101)
    good = log_of(away + held).summary()
    assert good["success"]
    assert good["goal_held_s"] == pytest.approx(TASK.success_window_s)
    short = log_of(away + upright(GOAL_HELD, first=101)).summary()
    assert not short["success"]
    assert short["goal_held_s"] == pytest.approx(TASK.success_window_s - 0.002)
    lost = log_of(away + held + [(held[-1][0] + PERIOD, *away[0][1:])]).summary()
    assert (lost["success"], lost["goal_held_s"]) == (False, 0.0)


def test_a_run_shorter_than_the_window_does_not_succeed_however_good() -> None:
    assert not log_of(upright(GOAL_HELD - 1)).summary()["success"]
    assert log_of(upright(GOAL_HELD + 1)).summary()["success"]


def test_a_goal_that_moves_moves_success() -> None:
    task = registry.load("tasks", "particle", Task)()
    log = RunLog(task)
    for tick in range(1, 4):
        log.add(tick * PERIOD, np.array([0.1, 0.2]), np.zeros(2), np.zeros(2))
    assert not log.summary()["success"]
    log.goal = np.array([0.1, 0.2])
    assert log.summary()["success"]


def test_an_endless_run_keeps_its_last_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log, "_KEPT_TICKS", 10)
    rows = states(25)
    log = log_of(rows)
    assert len(log.arrays()[0]) == 10
    assert np.array_equal(log.arrays()[1].qpos[-1], rows[-1][1])
    assert log.digest == log_of(rows[:10] + rows[10:]).digest
