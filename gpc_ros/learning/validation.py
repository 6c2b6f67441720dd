"""How good a policy is by itself: many robots at once, without estimator and noise, driven at every physics step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gpc_ros.learning.environments import Environments
from gpc_ros.learning.networks import FlowPolicy
from gpc_ros.learning.scaling import Scaling
from gpc_ros.sampling.spline import Spline
from gpc_ros.tasks.base import States, Task

_NAMED = 0.05
_NAMED_STARTS = 8
_KICK = 0.02
"""Standard deviation of the velocities [rad/s, m/s] with which these begin: some such error the filter begins with."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Share of random starts that succeeded, whether all beside the named one did, mean running cost of the random."""

    success: float
    named: bool
    cost: float

    @property
    def rank(self) -> tuple[float, float]:
        """Larger is better. The named start, where ``gpc up`` begins, counts as much as 5 % of the others."""
        return (self.success + _NAMED * self.named, -self.cost)


def validate(
    policy: FlowPolicy, task: Task, spline: Spline, *, starts: int, flow_steps: int, rng: np.random.Generator
) -> Verdict:
    """Run ``policy`` warm-started (level 1) from ``starts`` random starts, and several times from beside the named one.

    From a start at rest the least disturbance decides what becomes of it: to succeed once from there is no merit.
    """
    robots = Environments(task, starts + _NAMED_STARTS, spline=spline, period_steps=1)
    robots.reset(rng)
    start = task.start(task.named_start)
    robots.qpos[starts:], robots.goal[starts:] = start.qpos, start.goal
    robots.qvel[starts:] = start.qvel + _KICK * rng.standard_normal(robots.qvel[starts:].shape)
    scaling, device = Scaling(task.model), policy.device
    plans = robots.resting(policy.shape[0])
    steps = round(task.episode_s / task.model.opt.timestep)
    qpos, qvel, costs = [], [], np.zeros(len(robots.qpos))
    for _ in range(steps):
        observation = torch.from_numpy(robots.observe().astype(np.float32)).to(device)
        shifted = scaling.to_tensor(spline.shift(plans, spline.timestep_s)).to(device)
        plans = scaling.to_plans(policy.sample(shifted, observation, flow_steps))
        passed = robots.advance(plans)
        sensors = None if passed.sensors is None else passed.sensors[:, 0]
        states = States(passed.qpos[:, 0], passed.qvel[:, 0], sensors)
        costs += task.running_cost(states, plans[:, 0], robots.goal) / steps
        qpos.append(states.qpos)
        qvel.append(states.qvel)
    times = np.arange(steps) * task.model.opt.timestep
    runs = States(np.stack(qpos, axis=1), np.stack(qvel, axis=1))
    success = [
        task.success(States(qpos, qvel), times, goal)
        for qpos, qvel, goal in zip(runs.qpos, runs.qvel, robots.goal, strict=True)
    ]
    return Verdict(float(np.mean(success[:starts])), all(success[starts:]), float(np.mean(costs[:starts])))
