"""The mean-cost protocol of the public evaluation of generative predictive control, run on these planners.

The planner replans at every step of its own model from the true state, and the first knot is applied. Per step the
running cost (not times the step) counts, and once per horizon the terminal cost; a random re-start comes after every
episode, and each start keeps one and the same noise. The published figures are means over 100 starts. Starts are the
task's own, which for push_t (slow instead of at rest) and walker (5 cm up or down) are a little wider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import mujoco
import numpy as np

from gpc_ros import config, registry
from gpc_ros.control.base import Planner
from gpc_ros.control.policy import Policy, PolicyParameters
from gpc_ros.control.seeded_spc import SeededSpc
from gpc_ros.control.spc import Spc, SpcParameters
from gpc_ros.errors import UnknownName
from gpc_ros.node_parameters import SpcNodeParameters
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Array, Estimate, Plan
from gpc_ros.tasks.base import Start, States, Task, weighted

_SOLVER_ITERATIONS = 1
"""Of the constraint solver per physics step, as published: contacts are not solved to the end."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Settings of one robot, and the published means and standard deviations.

    They are of sampling with 128 candidates, of the policy alone, and of 64 candidates and 64 samples of the policy.
    ``noise`` is the candidates' standard deviation [actuator units]; ``weights`` of cost terms replace the task's.
    """

    horizons: int
    episode_steps: int
    knots: int
    knot_s: float
    noise: float
    sampling: tuple[float, float]
    policy: tuple[float, float]
    seeded: tuple[float, float]
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def horizon_s(self) -> float:
        """Length of a plan [s]."""
        return self.knots * self.knot_s


PROTOCOLS = {
    "pendulum": Protocol(20, 200, 5, 0.1, 0.1, (0.92, 0.43), (0.81, 0.34), (0.74, 0.29)),
    "cart_pole": Protocol(10, 200, 10, 0.1, 0.1, (2.90, 0.81), (2.11, 0.55), (1.96, 0.47)),
    "double_cart_pole": Protocol(12, 400, 10, 0.08, 0.3, (8.59, 1.97), (10.50, 2.56), (7.73, 1.73)),
    "push_t": Protocol(20, 400, 5, 0.1, 0.1, (0.69, 0.56), (0.63, 0.68), (0.41, 0.25)),
    "walker": Protocol(17, 500, 4, 0.15, 0.3, (1.42, 1.24), (1.64, 1.22), (0.72, 0.20)),
    "crane": Protocol(13, 500, 2, 0.4, 0.05, (1.72, 0.37), (1.63, 0.36), (1.59, 0.33)),
    # its cost of the orientation is a constant, see ``tasks.humanoid``
    "humanoid_29": Protocol(
        *(17, 400, 3, 0.2, 0.5, (13.43, 0.48), (16.74, 1.16), (12.27, 0.41)), {"upright": 0.0, "orientation": 10.0}
    ),
}


def protocol(robot: str) -> Protocol:
    """The protocol of ``robot``.

    Raises:
        UnknownName: if the public evaluation has none; lists those it has.
    """
    if robot not in PROTOCOLS:
        raise UnknownName("robot of the protocol", robot, PROTOCOLS)
    return PROTOCOLS[robot]


def mean_cost(robot: str, seed: int, *, samples: int = 128, seeds: int = 0, polish: int = 0) -> float:
    """Cost per step of one start.

    Args:
        robot: one of the protocol's.
        seed: of the start.
        samples: random candidates per replan; 0: the policy plans alone, warm-started.
        seeds: further candidates per replan, from the policy.
        polish: Gauss-Newton steps per replan.

    Raises:
        UnknownName: if the protocol does not have the robot.
        InvalidModel: if a policy is asked for and none comes with the robot.
    """
    settings = protocol(robot)
    task: Task = registry.load("tasks", robot, Task)()
    task.model.opt.iterations = _SOLVER_ITERATIONS
    planner = _planner(task, _parameters(task, settings, seed, samples, polish), samples, seeds)
    running, terminal = ({**w, **settings.weights} for w in (task.running_weights, task.terminal_weights))
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
        total += float(weighted(task.running_residuals(run.states(), ctrl, run.goal), running))
        run.step(ctrl)
        if (step + 1) % steps_per_horizon == 0:
            total += float(weighted(task.terminal_residuals(run.states(), run.goal), terminal))
    return total / steps


def _planner(task: Task, spc: SpcParameters, samples: int, seeds: int) -> Planner:
    if not samples:
        return Policy(task, PolicyParameters(seed=spc.seed))
    if not seeds:
        return Spc(task, spc)
    return SeededSpc(Spc(task, spc), Policy(task, PolicyParameters(seed=spc.seed, seed_samples=seeds)))


def _parameters(task: Task, settings: Protocol, seed: int, samples: int, polish: int) -> SpcParameters:
    low, high = task.model.actuator_ctrlrange.T
    found = SpcParameters(
        rule="predictive_sampling",
        samples=max(1, samples),
        polish=polish,
        perturbation=config.load(task.name, "spc", SpcNodeParameters).perturbation,
        horizon_s=settings.horizon_s,
        knots=settings.knots,
        interpolation=Interpolation.ZERO,
        shift=False,
        seed=seed,
        running_weights=dict(settings.weights),
        terminal_weights=dict(settings.weights),
    )
    return found.model_copy(update={"noise": settings.noise / ((high - low) / 2)})  # of each actuator (nu,) its own


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
