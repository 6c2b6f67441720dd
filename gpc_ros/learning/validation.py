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


@dataclass(frozen=True, slots=True)
class Verdict:
    """Share of starts that succeeded, whether the named one did, mean running cost."""

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
    """Run ``policy`` warm-started (level 1) from the named start and ``starts`` random ones."""
    robots = Environments(task, starts + 1, spline=spline, period_steps=1)
    robots.reset(rng)
    start = task.start(task.named_start)
    robots.qpos[0], robots.qvel[0], robots.goal[0] = start.qpos, start.qvel, start.goal
    scaling, device = Scaling(task.model), policy.device
    plans = robots.resting(policy.shape[0])
    steps = round(task.episode_s / task.model.opt.timestep)
    qpos, qvel, costs = [], [], np.zeros(starts + 1)
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
        task.success(States(runs.qpos[row], runs.qvel[row]), times, robots.goal[row]) for row in range(starts + 1)
    ]
    return Verdict(float(np.mean(success[1:])), success[0], float(np.mean(costs[1:])))
