"""Makes the data: the teacher or the policy drives robots, and at every replan the teacher says what it would do.

Letters: E environments, R replans of an iteration, K knots, nu actuators, ny observation, S policy samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gpc_ros.control.spc import SpcParameters
from gpc_ros.errors import InvalidParameter
from gpc_ros.learning.batched_search import Problem
from gpc_ros.learning.environments import Environments
from gpc_ros.learning.nearby import start_spread
from gpc_ros.learning.networks import FlowPolicy
from gpc_ros.learning.parameters import CollectionParameters, TrainParameters
from gpc_ros.learning.restarts import Restarts
from gpc_ros.learning.scaling import Scaling
from gpc_ros.learning.teacher import MakesTeacher, Teacher, TeacherSettings, Teaches
from gpc_ros.sampling.objective import TerminalValue
from gpc_ros.signals import Array
from gpc_ros.tasks.base import States, Task


@dataclass(frozen=True, slots=True)
class Replan:
    """One replan of all robots: ``observation`` (P, ny), plans ``before`` and ``after`` (P, K, nu) [actuator units].

    The first E of the P pairs are the robots', the others those of nearby states. ``cost`` (E,) is that of the plan,
    ``drawn`` and ``seed`` (E,) those of the cheapest random and policy candidate.
    """

    observation: Array
    before: Array
    after: Array
    cost: Array
    drawn: Array
    seed: Array


class Collector:
    """The robots of the training and the plans that drive them.

    Args:
        task: the robot and what it is to do.
        parameters: of the training.
        spc: of the teacher, see ``teacher_parameters``.
        teachers: makes the teacher, and another one for each learned value.

    Attributes:
        spline: how plans become controls.
        replans: R.
        physics_steps: taken in rollouts so far.

    Raises:
        InvalidParameter: if a plan would end before the next replan, or its knots do not fit its horizon.
        UnknownName: a weight for a cost term that the task does not have.
    """

    def __init__(
        self, task: Task, parameters: TrainParameters, spc: SpcParameters, teachers: MakesTeacher = Teacher
    ) -> None:
        p = parameters
        self._task, self._parameters = task, parameters
        self._spc, self._teachers = spc, teachers
        self._teacher = self._make_teacher()
        self.spline = self._teacher.spline
        step_s = self.spline.timestep_s
        period_steps = steps_between_replans(p, step_s)
        if period_steps > self.spline.steps:
            raise InvalidParameter(
                f"train.plan_rate_hz = {p.plan_rate_hz:g}: plans of {self.spline.horizon_s:g} s end before the next"
            )
        self.replans = max(1, round(p.episode_s / (period_steps * step_s)))
        self.physics_steps = 0
        self.scaling = Scaling(task.model)
        self.robots = Environments(task, p.environments, spline=self.spline, period_steps=period_steps)
        self._plans = self.robots.resting(self.spline.num_knots)
        self._taught = np.full(p.environments, True)
        self._restarts = Restarts(task, p.restart_share, np.random.default_rng([p.seed, 5]))

    @property
    def workers(self) -> str:
        """Among whom the work is divided, in words."""
        return self._teacher.workers

    @property
    def _period_s(self) -> float:
        return self.robots.period_steps * self.spline.timestep_s

    def use_value(self, value: TerminalValue) -> None:
        """Plan with ``value`` in place of the terminal cost from now on."""
        self._teacher = self._make_teacher(value)

    def _make_teacher(self, value: TerminalValue | None = None) -> Teaches:
        p, spread = self._parameters, None
        if p.nearby and p.polish:
            spread = p.nearby_spread * start_spread(self._task, np.random.default_rng([p.seed, 5]))
        return self._teachers(self._task, TeacherSettings(self._spc, p.nearby, spread, value), threads=p.threads)

    def begin(self, rng: np.random.Generator) -> None:
        """New episodes, without a plan."""
        self.robots.reset(rng, named_share=self._parameters.named_share)
        self._restarts.turn()
        self._restarts.place(self.robots, rng)
        self._plans = self.robots.resting(self.spline.num_knots)
        self._taught = rng.random(len(self._plans)) < self._parameters.teacher_share

    def replan(self, policy: FlowPolicy | None, rng: np.random.Generator) -> Replan:
        """Let the teacher improve every robot's plan, then drive the robots on to the next replan."""
        p, robots = self._parameters, self.robots
        observation, nominal = robots.observe(), self._shifted(self._plans)
        seeds = np.empty((len(nominal), 0, *nominal.shape[1:]))
        if policy is not None:
            seeds = self._ask(policy, observation, nominal, rng)
        answer = self._teacher.improve(Problem(robots.qpos, robots.qvel, robots.goal, nominal, seeds), rng)
        self.physics_steps += answer.physics_steps
        self._restarts.note(robots, answer.costs)
        self._plans = answer.plans
        if policy is not None:
            self._change_drivers(rng)
            self._plans = np.where(self._taught[:, np.newaxis, np.newaxis], answer.plans, seeds[:, 0])
        noise = rng.standard_normal((len(nominal), 1, nominal.shape[2]))
        near, goal = answer.beside, robots.goal[:, np.newaxis]
        observed = self._task.observe(States(near.qpos, near.qvel), goal)
        replan = Replan(
            np.concatenate([observation, observed.reshape(-1, observed.shape[-1])]),
            np.concatenate([nominal, np.repeat(nominal, near.plans.shape[1], axis=0)]),
            np.concatenate([answer.plans, near.plans.reshape(-1, *nominal.shape[1:])]),
            answer.costs,
            answer.drawn,
            answer.seed,
        )
        robots.advance(self._plans + p.exploration * self.scaling.half * noise)
        self._change_goals(rng)
        self._begin_anew(rng)
        return replan

    def arrays(self) -> dict[str, Array]:
        """The state, to be restored by ``restore``."""
        return {
            "qpos": self.robots.qpos,
            "qvel": self.robots.qvel,
            "goal": self.robots.goal,
            "plans": self._plans,
            "taught": self._taught,
            **self._restarts.arrays(),
        }

    def restore(self, arrays: dict[str, Array]) -> None:
        """Take a state of ``arrays``."""
        self.robots.qpos, self.robots.qvel, self.robots.goal = arrays["qpos"], arrays["qvel"], arrays["goal"]
        self._plans, self._taught = arrays["plans"], arrays["taught"]
        self._restarts.restore(arrays)

    def _change_drivers(self, rng: np.random.Generator) -> None:
        """Let drivers take turns, such that sampling has its share: the teacher shows how to get out of trouble."""
        p = self._parameters
        if not p.stretch_s or not 0.0 < p.teacher_share < 1.0:
            return
        ending = self._period_s / p.stretch_s
        beginning = ending * (1.0 - p.teacher_share) / p.teacher_share
        certain = max(1.0, ending, beginning)  # stretches that short cannot be: longer ones, in the same shares
        ending, beginning = ending / certain, beginning / certain
        changed = rng.random(len(self._taught)) < np.where(self._taught, beginning, ending)
        self._taught = self._taught ^ changed

    def _change_goals(self, rng: np.random.Generator) -> None:
        """Give some robots the goal of another random start, where they are."""
        if not self._parameters.goal_s:
            return
        chance = self._period_s / self._parameters.goal_s
        for row in np.flatnonzero(rng.random(len(self.robots.goal)) < chance):
            self.robots.goal[row] = self._task.reset(rng).goal

    def _begin_anew(self, rng: np.random.Generator) -> None:
        """New episodes for some of the robots at their goal: what they would show yet is much the same.

        By chance, so that a few stay long: a policy that drifts off slowly is seen to.
        """
        p, robots = self._parameters, self.robots
        if not p.settled_s:
            return
        at_goal = self._task.at_goal(States(robots.qpos, robots.qvel), robots.goal)
        chance = self._period_s / p.settled_s
        rows = np.flatnonzero(at_goal & (rng.random(len(at_goal)) < chance))
        robots.reset(rng, named_share=p.named_share, rows=rows)
        self._restarts.place(robots, rng, rows)
        self._plans[rows] = robots.resting(self.spline.num_knots, rows)
        self._taught[rows] = rng.random(len(rows)) < p.teacher_share

    def _shifted(self, plans: Array) -> Array:
        if not self._parameters.shift:
            return plans
        return self.spline.shift(plans, self._period_s)

    def _ask(self, policy: FlowPolicy, observation: Array, nominal: Array, rng: np.random.Generator) -> Array:
        """The policy's plans (E, 1 + S, K, nu): the one by which it would drive, warm-started, and its samples."""
        level, count, shape = self._parameters.warm_start, self._parameters.policy_samples, nominal.shape
        noise = torch.from_numpy(rng.standard_normal((shape[0] * count, *shape[1:]), np.float32))
        previous = self.scaling.to_tensor(nominal)
        start = (1.0 - level) * noise + level * previous.repeat_interleave(count, dim=0)
        driving = self._sample(policy, previous, observation)
        drawn = self._sample(policy, start, np.repeat(observation, count, axis=0))
        return np.concatenate([driving[:, np.newaxis], drawn.reshape(shape[0], count, *shape[1:])], axis=1)

    def _sample(self, policy: FlowPolicy, start: torch.Tensor, observation: Array) -> Array:
        y = torch.from_numpy(observation.astype(np.float32)).to(policy.device)
        return self.scaling.to_plans(policy.sample(start.to(policy.device), y, self._parameters.flow_steps))


def steps_between_replans(train: CollectionParameters, step_s: float) -> int:
    """Physics steps of ``step_s`` [s] from one replan to the next."""
    return max(1, round(1.0 / (train.plan_rate_hz * step_s))) if train.plan_rate_hz else 1


def teacher_parameters(train: CollectionParameters, spc: SpcParameters) -> SpcParameters:
    """The planner's settings with those that training has of its own."""
    own = {name: getattr(train, name) for name in ("interpolation", "samples", "noise", "polish", "damping", "shift")}
    own |= {name: value for name in ("horizon_s", "knots", "goal_gain") if (value := getattr(train, name))}
    own["running_weights"] = {**spc.running_weights, **train.running_weights}
    return spc.model_copy(update={**own, "iterations": 1})
