"""How good a planner is: closed loop in lock-step from many random starts and from the task's named one."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from gpc_ros.closed_loop import ClosedLoop, Overrides
from gpc_ros.simulation.run_log import RunLog

K = TypeVar("K")
T = TypeVar("T")

NAMED = -1
"""Index of the named start among the starts 0, 1, ..."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is evaluated; ``overrides`` stand over the robot's parameter file."""

    robot: str
    estimator: str = "ekf"
    seed: int = 0
    duration_s: float | None = None
    overrides: Overrides | None = None


def run_start(setting: Setting, index: int) -> dict[str, Any]:
    """One run from start ``index`` (``NAMED``: the named one): success, cost, digest and more, see ``RunLog``."""
    loop = _run(setting, index)
    return {**loop.log.summary(), "digest": loop.log.digest, "counts": dict(loop.executive.counts)}


def named_run(setting: Setting) -> RunLog:
    """The trajectory from the named start."""
    return _run(setting, NAMED).log


def _run(setting: Setting, index: int) -> ClosedLoop:
    given = {node: dict(values) for node, values in (setting.overrides or {}).items()}
    start = {"seed": setting.seed + max(index, 0), "start": "named" if index == NAMED else "random"}
    given["simulator"] = {**given.get("simulator", {}), **start}
    given["spc"] = {"threads": 1, **given.get("spc", {})}
    loop = ClosedLoop(setting.robot, overrides=given, estimator=setting.estimator)
    loop.run(setting.duration_s or loop.task.episode_s)
    loop.close()
    return loop


def evaluate(
    setting: Setting, starts: int, *, jobs: int = 1, progress: Callable[[int, Mapping[str, Any]], None] | None = None
) -> dict[str, Any]:
    """Runs from ``starts`` random starts and the named one, on ``jobs`` processes; the same for any number of them."""
    indices = [NAMED, *range(starts)]
    runs: dict[int, dict[str, Any]] = {}
    for index, result in zip(indices, spread(partial(run_start, setting), indices, jobs), strict=True):
        runs[index] = result
        if progress is not None:
            progress(index, result)
    random = [runs[index] for index in range(starts)]
    return {
        "robot": setting.robot,
        "estimator": setting.estimator,
        "seed": setting.seed,
        "starts": starts,
        **_statistics(random),
        "per_start": [_short(run) for run in random],
        "named_start": _short(runs[NAMED]),
    }


def spread(function: Callable[[K], T], cases: Sequence[K], jobs: int) -> Iterator[T]:
    """``function`` of each case in order, on ``jobs`` processes."""
    if jobs == 1:
        yield from map(function, cases)
        return
    # spawn: a fork would copy thread pools without their threads
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(function, cases)


def _statistics(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not runs:
        unknown = dict.fromkeys(("success_rate", "mean_cost", "cost_std", "mean_abs_du"), float("nan"))
        return {"successes": 0, **unknown}
    costs = np.array([run["mean_cost"] for run in runs])
    successes = sum(run["success"] for run in runs)
    return {
        "successes": successes,
        "success_rate": successes / len(runs),
        "mean_cost": float(costs.mean()),
        "cost_std": float(costs.std(ddof=1)) if len(runs) > 1 else 0.0,
        "mean_abs_du": float(np.mean([run["mean_abs_du"] for run in runs])),
    }


def _short(run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "success": run["success"],
        "cost": run["mean_cost"],
        "goal_held_s": run["goal_held_s"],
        "digest": run["digest"],
    }
