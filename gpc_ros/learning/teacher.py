"""The teacher: sampling-based predictive control of many environments at once, divided among threads.

Letters: E environments, M nearby states, nv velocities.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gpc_ros.control.spc import SpcParameters
from gpc_ros.learning.batched_search import Answer, BatchedSearch, Beside, Problem
from gpc_ros.learning.nearby import Nearby
from gpc_ros.sampling.objective import TerminalValue
from gpc_ros.signals import Array
from gpc_ros.tasks.base import Task


class Teacher:
    """Improves the plans of many environments.

    Args:
        task: the robot and what it is to do.
        parameters: those of the planner; ``iterations``, ``threads`` and ``budget_s`` are not used.
        beside: M, the number of nearby states to answer for as well; needs the polish.
        spread: standard deviation (2 nv,) of those around the state, in tangent space; None: none are wanted.
        threads: environments are divided among so many threads. The answers do not depend on it.
        terminal_value: a learned cost-to-go from the end of a plan, in place of the task's terminal cost.

    Attributes:
        spline: how plans become controls.

    Raises:
        InvalidParameter, UnknownName: as ``BatchedSearch``.
    """

    def __init__(
        self,
        task: Task,
        parameters: SpcParameters,
        *,
        beside: int = 0,
        spread: Array | None = None,
        threads: int = 1,
        terminal_value: TerminalValue | None = None,
    ) -> None:
        near = None if spread is None or not beside else Nearby(task.model, beside, spread)
        self._workers = [BatchedSearch(task, parameters, near, terminal_value) for _ in range(max(1, threads))]
        self._pool = ThreadPoolExecutor(len(self._workers))
        self.spline = self._workers[0].spline

    def improve(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """One replan in each environment."""
        count = len(problem.qpos)
        generators = rng.spawn(count)
        edges = np.linspace(0, count, len(self._workers) + 1).round().astype(int)
        rows = [slice(a, b) for a, b in itertools.pairwise(edges) if a < b]
        work = [
            self._pool.submit(worker.improve, problem.part(part), generators[part])
            for worker, part in zip(self._workers, rows, strict=False)
        ]
        answers = [job.result() for job in work]
        plans, costs, drawn, seed = (
            np.concatenate([getattr(a, name) for a in answers]) for name in ("plans", "costs", "drawn", "seed")
        )
        near = Beside(*(np.concatenate([getattr(a.beside, name) for a in answers]) for name in Beside.__slots__))
        return Answer(plans, costs, drawn, seed, near, sum(answer.physics_steps for answer in answers))
