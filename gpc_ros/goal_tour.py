"""The protocol of Table II of arXiv 2502.13406: a crane swings its payload from goal to goal, as fast as it can.

The next goal comes when the payload's end is within 15 cm of the present one, or after 10 s. The first is fixed, the
others are random; the time for all of them counts. The model error is a payload half as heavy again, and a hundredth
of the damping.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpc_ros.closed_loop import ClosedLoop, Overrides
from gpc_ros.signals import NS_PER_S, Array
from gpc_ros.tasks.base import States

ROBOT = "crane"
GOALS = 51
LIMIT_S = 10.0
"""Time [s] after which a goal is given up."""
MODEL_ERROR = ("dof_damping=0.01", "body_mass:payload=1.5", "body_inertia:payload=1.5")
_FIRST = (0.0, 1.5, 0.8)
_LOW, _HIGH = (-1.5, 1.0, 0.0), (1.5, 2.0, 1.5)


@dataclass(frozen=True, slots=True)
class Tour:
    """Time [s] for all goals, and how many of them were reached."""

    total_s: float
    reached: int


def goals(seed: int, count: int = GOALS) -> Array:
    """The goals (``count``, 3) [m], as the published code draws them."""
    random = np.random.RandomState(seed)
    return np.stack([_FIRST, *(random.uniform(_LOW, _HIGH) for _ in range(count - 1))])


def run(
    *,
    seed: int = 0,
    error: bool = False,
    count: int = GOALS,
    estimator: str = "ekf",
    overrides: Overrides | None = None,
) -> Tour:
    """One tour of the crane from rest.

    Args:
        seed: of the goals.
        error: whether the plant differs from the model by ``MODEL_ERROR``.
        count: goals.
        estimator: "ekf", or "truth" as published.
        overrides: parameters by node, such as the controller's planner.

    Raises:
        GpcError: as ``ClosedLoop``.
    """
    given = {node: dict(values) for node, values in (overrides or {}).items()}
    plant = {"start": "named", "model_error": list(MODEL_ERROR if error else ())}
    given["simulator"] = {**plant, **given.get("simulator", {})}
    loop = ClosedLoop(ROBOT, overrides=given, estimator=estimator)
    times = [_time_to(loop, goal) for goal in goals(seed, count)]
    loop.close()
    return Tour(sum(min(time, LIMIT_S) for time in times), sum(time < LIMIT_S for time in times))


def _time_to(loop: ClosedLoop, goal: Array) -> float:
    """Time [s] until the goal is reached; infinite if it is not in time."""
    loop.set_goal(goal)
    data = loop.simulation.data
    for tick in range(round(LIMIT_S * NS_PER_S / loop.period_ns)):
        if loop.task.at_goal(States(data.qpos[np.newaxis], data.qvel[np.newaxis]), goal)[0]:
            return tick * loop.period_ns / NS_PER_S
        loop.tick()
    return np.inf
