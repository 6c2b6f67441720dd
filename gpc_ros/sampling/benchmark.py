"""How close a replan comes to the bare rollouts of its candidates."""

from __future__ import annotations

import time

import mujoco
import numpy as np
from mujoco.rollout import Rollout

from gpc_ros.control.spc import Spc, SpcParameters
from gpc_ros.errors import GpcError
from gpc_ros.sampling.spline import Interpolation, Spline
from gpc_ros.signals import Array, Estimate, Plan
from gpc_ros.tasks.base import Task


def replan_ratio(
    task: Task,
    *,
    candidates: int = 64,
    steps: int = 50,
    repeats: int = 200,
    rule: str = "predictive_sampling",
    knots: int = 10,
    threads: int = 1,
) -> dict[str, float]:
    """Time of a whole replan (sampling, rollouts, costs, update) over that of ``mujoco.rollout`` alone.

    Both run in turn, so that other load on the machine falls on both alike. Zero-order hold, no polish.

    Returns:
        ``replan_p50_s``, ``replan_p99_s``, ``rollout_p50_s`` and ``ratio`` of the two.
    """
    timestep_s = float(task.model.opt.timestep)
    parameters = SpcParameters(
        rule=rule,
        samples=candidates,
        polish=0,
        horizon_s=steps * timestep_s,
        knots=knots,
        interpolation=Interpolation.ZERO,
        threads=threads,
    )
    planner, start = Spc(task, parameters), task.start(task.named_start)
    planner.set_goal(start.goal)
    bare = _Bare(task, candidates, steps, threads)
    spline = Spline(parameters.interpolation, knots, parameters.horizon_s, timestep_s)
    rng = np.random.default_rng(0)
    low, high = task.model.actuator_ctrlrange.T
    previous: Plan | None = None
    replans, rollouts = np.empty(repeats), np.empty(repeats)
    for repeat in range(-3, repeats):  # the first ones warm up
        estimate = Estimate(stamp_ns=max(repeat, 0) * 20_000_000, qpos=start.qpos, qvel=start.qvel)
        before = time.perf_counter()
        previous = planner.plan(estimate, previous)
        replan_s = time.perf_counter() - before
        if previous is None:
            raise GpcError(f"no finite plan from {task.named_start} of {task.name}")
        noise = rng.standard_normal((candidates, *previous.knots.shape)) * parameters.noise * (high - low) / 2
        controls = spline.controls(np.clip(previous.knots + noise, low, high))  # as the planner's own candidates
        before = time.perf_counter()
        bare.run(start.qpos, start.qvel, controls)
        rollout_s = time.perf_counter() - before
        if repeat >= 0:
            replans[repeat], rollouts[repeat] = replan_s, rollout_s
    replan_p50_s, rollout_p50_s = float(np.median(replans)), float(np.median(rollouts))
    return {
        "replan_p50_s": replan_p50_s,
        "replan_p99_s": float(np.quantile(replans, 0.99)),
        "rollout_p50_s": rollout_p50_s,
        "ratio": replan_p50_s / rollout_p50_s,
    }


class _Bare:
    """The same batch of rollouts with everything allocated before and nothing evaluated after."""

    def __init__(self, task: Task, candidates: int, steps: int, threads: int) -> None:
        model = task.model
        self._pool = Rollout(nthread=threads if threads > 1 else 0)
        self._models = [model] * candidates
        self._data = [mujoco.MjData(model) for _ in range(max(1, threads))]
        size = mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_FULLPHYSICS)
        self._start = np.zeros((candidates, size))
        self._steps = steps
        self._states = np.empty((candidates, steps, size))
        self._sensors = np.empty((candidates, steps, model.nsensordata))

    def run(self, qpos: Array, qvel: Array, controls: Array) -> None:
        self._start[:, 1 : 1 + len(qpos)] = qpos
        self._start[:, 1 + len(qpos) : 1 + len(qpos) + len(qvel)] = qvel
        self._pool.rollout(
            self._models,
            self._data,
            self._start,
            controls,
            skip_checks=True,
            nstep=self._steps,
            state=self._states,
            sensordata=self._sensors,
        )
