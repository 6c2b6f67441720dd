"""Many robots simulated at once, for training. Letters: E environments, K knots, nu actuators, ny observation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpc_ros import actuators
from gpc_ros.sampling.rollout import Rollouts
from gpc_ros.sampling.spline import Spline
from gpc_ros.signals import Array
from gpc_ros.tasks.base import States, Task


class Environments:
    """States and goals of ``count`` robots, which move all together by one replan period.

    Args:
        task: the robot and what it is to do.
        count: E.
        spline: of the plans that drive them.
        period_steps: physics steps per replan.

    Attributes:
        qpos, qvel, goal: the states (E, nq), (E, nv) and goals (E, ng); they may be set.
    """

    def __init__(self, task: Task, count: int, *, spline: Spline, period_steps: int) -> None:
        self._task = task
        self._spline = spline
        self._plant = Rollouts([task.model], steps=period_steps, sensors=task.needs_sensors)
        self._low, self._high = task.model.actuator_ctrlrange.T.copy()
        model = task.model
        self.period_steps = period_steps
        self.qpos = np.zeros((count, model.nq))
        self.qvel = np.zeros((count, model.nv))
        self.goal = np.zeros((count, len(task.goal)))

    def reset(
        self, rng: np.random.Generator, *, named_share: float = 0.0, rows: NDArray[np.int_] | None = None
    ) -> None:
        """New starts for the robots ``rows``, or all: the named one for about ``named_share`` of them, else random."""
        rows = np.arange(len(self.qpos)) if rows is None else rows
        named = rng.random(len(rows)) < named_share
        for row, at_named in zip(rows, named, strict=True):
            start = self._task.reset(rng)
            if at_named:
                start = self._task.start(self._task.named_start)
            self.qpos[row], self.qvel[row], self.goal[row] = start.qpos, start.qvel, start.goal

    def observe(self) -> Array:
        """Observations (E, ny)."""
        return self._task.observe(States(self.qpos, self.qvel), self.goal)

    def resting(self, knots: int, rows: NDArray[np.int_] | None = None) -> Array:
        """Plans (E, ``knots``, nu) that move nothing by themselves, for the robots ``rows``, or all."""
        qpos = self.qpos if rows is None else self.qpos[rows]
        rest = [actuators.rest(self._task.model, row) for row in qpos]
        return np.repeat(np.reshape(rest, (len(qpos), 1, self._task.model.nu)), knots, axis=1)

    def advance(self, plans: Array) -> States:
        """Drive the robots by ``plans`` (E, K, nu) for one period; the states (E, period_steps) that they went through.

        One whose physics diverged stays where it was.
        """
        controls = self._spline.controls(plans)[:, : self.period_steps]
        rolled = self._plant.roll(self.qpos, self.qvel, np.clip(controls, self._low, self._high))
        states, fine = rolled.states, rolled.finite[0]
        self.qpos[fine], self.qvel[fine] = states.qpos[0, fine, -1], states.qvel[0, fine, -1]
        qpos, qvel = states.qpos[0, :, :-1].copy(), states.qvel[0, :, :-1].copy()
        return States(qpos, qvel, None if states.sensors is None else states.sensors[0, :, :-1].copy())
