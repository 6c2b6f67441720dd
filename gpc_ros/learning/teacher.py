"""The teacher: sampling-based predictive control of many environments at once, divided among threads.

Letters: E environments, M nearby states, nv velocities.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gpc_ros.control.spc import SpcParameters
from gpc_ros.learning.batched_search import Answer, BatchedSearch, Beside, Problem
from gpc_ros.learning.nearby import Nearby
from gpc_ros.sampling.objective import TerminalValue
from gpc_ros.sampling.spline import Spline
from gpc_ros.signals import Array
from gpc_ros.tasks.base import Task

Share = tuple[Problem, list[np.random.Generator]]
"""Some of the environments, and the generator of each."""


@dataclass(frozen=True, slots=True)
class TeacherSettings:
    """What a teacher's answers depend on, besides the robot, the problem and the generator.

    Attributes:
        parameters: those of the planner; ``iterations``, ``threads`` and ``budget_s`` are not used.
        beside: M, the number of nearby states to answer for as well; needs the polish.
        spread: standard deviation (2 nv,) of those around the state, in tangent space; None: none are wanted.
        terminal_value: a learned cost-to-go from the end of a plan, in place of the task's terminal cost.
    """

    parameters: SpcParameters
    beside: int = 0
    spread: Array | None = None
    terminal_value: TerminalValue | None = None


class Teaches(Protocol):
    """What improves the plans of many environments; ``spline`` is how plans become controls, ``workers`` says on what.

    The answers depend on the problem, the generator and the settings, never on how the work is divided.
    """

    spline: Spline
    workers: str

    def improve(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """One replan in each environment."""


class MakesTeacher(Protocol):
    """Makes a teacher, as ``Teacher`` does from the same arguments."""

    def __call__(self, task: Task, settings: TeacherSettings, *, threads: int) -> Teaches:
        """A new teacher, which replaces the one made before."""


class Teacher:
    """Improves the plans of many environments.

    Args:
        task: the robot and what it is to do.
        settings: what the answers depend on.
        threads: environments are divided among so many threads. The answers do not depend on it.

    Attributes:
        spline: how plans become controls.
        workers: among whom the work is divided, in words.

    Raises:
        InvalidParameter, UnknownName: as ``BatchedSearch``.
    """

    def __init__(self, task: Task, settings: TeacherSettings, *, threads: int = 1) -> None:
        self._searches = [search(task, settings) for _ in range(max(1, threads))]
        self._pool = ThreadPoolExecutor(len(self._searches))
        self.spline = self._searches[0].spline
        self.workers = f"{len(self._searches)} threads"

    def improve(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """One replan in each environment."""
        shares = divided(problem, rng, len(self._searches))
        work = [self._pool.submit(each.improve, *share) for each, share in zip(self._searches, shares, strict=False)]
        return joined([job.result() for job in work])


def search(task: Task, settings: TeacherSettings) -> BatchedSearch:
    """What one worker of a teacher with these settings plans with."""
    s = settings
    near = None if s.spread is None or not s.beside else Nearby(task.model, s.beside, s.spread)
    return BatchedSearch(task, s.parameters, near, s.terminal_value)


def divided(problem: Problem, rng: np.random.Generator, parts: int) -> list[Share]:
    """The environments in order, in at most ``parts`` shares of about the same size, none of them empty.

    Each environment has a generator of its own, so that it does not matter who works on it.
    """
    count = len(problem.qpos)
    generators = rng.spawn(count)
    edges = np.linspace(0, count, parts + 1).round().astype(int)
    rows = [slice(a, b) for a, b in itertools.pairwise(edges) if a < b]
    return [(problem.part(part), generators[part]) for part in rows]


def joined(answers: Sequence[Answer]) -> Answer:
    """The answers to all shares of a problem, in order, as one."""
    plans, costs, drawn, seed = (
        np.concatenate([getattr(a, name) for a in answers]) for name in ("plans", "costs", "drawn", "seed")
    )
    near = Beside(*(np.concatenate([getattr(a.beside, name) for a in answers]) for name in Beside.__slots__))
    return Answer(plans, costs, drawn, seed, near, sum(answer.physics_steps for answer in answers))
