"""The mean-cost protocol of the public evaluation of generative predictive control, run on this planner.

The planner replans at every step of its own model from the true state, and the first knot is applied. Per step the
running cost (not times the step) counts, and once per horizon the terminal cost; a random re-start comes after every
episode, and each start keeps one and the same noise. The published figures are means over 100 starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from gpc_ros import registry
from gpc_ros.control.spc import Spc, SpcParameters
from gpc_ros.errors import UnknownName
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Array, Estimate, Plan
from gpc_ros.tasks.base import Start, States, Task


@dataclass(frozen=True, slots=True)
class Protocol:
    """Settings of one robot, and the published mean and standard deviation of plain sampling (128 candidates)."""

    horizons: int
    episode_steps: int
    knots: int
    knot_s: float
    noise: float
    published: tuple[float, float]

    @property
    def horizon_s(self) -> float:
        """Length of a plan [s]."""
        return self.knots * self.knot_s


PROTOCOLS = {
    "pendulum": Protocol(20, 200, 5, 0.1, 0.1, (0.92, 0.43)),
    "cart_pole": Protocol(10, 200, 10, 0.1, 0.1, (2.90, 0.81)),
    "double_cart_pole": Protocol(12, 400, 10, 0.08, 0.3, (8.59, 1.97)),
}


def protocol(robot: str) -> Protocol:
    """The protocol of ``robot``.

    Raises:
        UnknownName: if the public evaluation has none; lists those it has.
    """
    if robot not in PROTOCOLS:
        raise UnknownName("robot of the protocol", robot, PROTOCOLS)
    return PROTOCOLS[robot]


def mean_cost(robot: str, seed: int, *, samples: int = 128, polish: int = 0) -> float:
    """Cost per step of one start; ``polish`` is the number of Gauss-Newton steps per replan."""
    settings = protocol(robot)
    task: Task = registry.load("tasks", robot, Task)()
    planner = Spc(task, _parameters(settings, seed, samples, polish))
    rng = np.random.default_rng([seed, 12])
    run = _Run(task, task.reset(rng))
    steps_per_horizon = round(settings.horizon_s / task.model.opt.timestep)
    steps, total = settings.horizons * steps_per_horizon, 0.0
    plan: Plan | None = None
    for step in range(steps):
        if step and step % settings.episode_steps == 0:
            run.place(task.reset(rng))
        planner.set_goal(run.goal)
        # one stamp for all: the same noise at each step, and no shift in time
        plan = planner.plan(Estimate(1, run.data.qpos.copy(), run.data.qvel.copy()), plan)
        ctrl = np.zeros(task.model.nu) if plan is None else plan.knots[0]
        total += float(task.running_cost(run.states(), ctrl, run.goal))
        run.step(ctrl)
        if (step + 1) % steps_per_horizon == 0:
            total += float(task.terminal_cost(run.states(), run.goal))
    return total / steps


def _parameters(settings: Protocol, seed: int, samples: int, polish: int) -> SpcParameters:
    return SpcParameters(
        rule="predictive_sampling",
        samples=samples,
        polish=polish,
        noise=settings.noise,
        horizon_s=settings.horizon_s,
        knots=settings.knots,
        interpolation=Interpolation.ZERO,
        shift=False,
        seed=seed,
    )


class _Run:
    """The plant: the planner's own model."""

    def __init__(self, task: Task, start: Start) -> None:
        self._model = task.model
        self.data = mujoco.MjData(self._model)
        self.place(start)

    def place(self, start: Start) -> None:
        mujoco.mj_resetData(self._model, self.data)
        self.data.qpos[:], self.data.qvel[:], self.goal = start.qpos, start.qvel, start.goal

    def states(self) -> States:
        return States(self.data.qpos.copy(), self.data.qvel.copy())

    def step(self, ctrl: Array) -> None:
        self.data.ctrl[:] = ctrl
        mujoco.mj_step(self._model, self.data)
