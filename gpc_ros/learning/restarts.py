"""Episodes that begin near states from which little is left to do: there a policy must be precise, and few starts lead.

Letters: V visited states.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gpc_ros.learning.environments import Environments
from gpc_ros.learning.nearby import Nearby, start_spread
from gpc_ros.signals import Array
from gpc_ros.tasks.base import Task

_CHEAP = 0.3
"""Share of the visited states, the cheapest, near which to begin."""
_DECADES = (-1.5, -0.5)
"""How far from them, as powers of ten, in units of the spread of the random starts."""
_NAMES = ("qpos", "qvel", "goal", "cost")


class Restarts:
    """The states visited in one iteration, with what their plans cost, and starts near the cheap ones for the next."""

    def __init__(self, task: Task, share: float, rng: np.random.Generator) -> None:
        self._share = share
        self._near = Nearby(task.model, 1, start_spread(task, rng)) if share else None
        self._visited: dict[str, list[Array]] = {name: [] for name in _NAMES}

    def note(self, robots: Environments, costs: Array) -> None:
        """The robots' states, and what the plans from there cost (E,)."""
        if self._near is not None:
            for name, values in zip(_NAMES, (robots.qpos, robots.qvel, robots.goal, costs), strict=True):
                self._visited[name].append(values.copy())

    def place(self, robots: Environments, rng: np.random.Generator) -> None:
        """Move a share of the robots to starts near cheap states, and forget the states."""
        visited = {name: np.concatenate(values) for name, values in self._visited.items() if values}
        self._visited = {name: [] for name in _NAMES}
        if self._near is None or not visited:
            return
        rows = np.flatnonzero(rng.random(len(robots.qpos)) < self._share)
        cheap = np.argsort(visited["cost"])[: max(1, round(_CHEAP * len(visited["cost"])))]
        picks = rng.choice(cheap, len(rows))
        far = 10.0 ** rng.uniform(*_DECADES, (len(rows), 1, 1))
        moves = far * self._near.spread * rng.standard_normal((len(rows), 1, len(self._near.spread)))
        qpos, qvel = self._near.moved(visited["qpos"][picks], visited["qvel"][picks], moves)
        robots.qpos[rows], robots.qvel[rows], robots.goal[rows] = qpos[:, 0], qvel[:, 0], visited["goal"][picks]

    def arrays(self) -> dict[str, Array]:
        """The states noted so far, to be restored by ``restore``."""
        return {f"visited_{name}": np.stack(values) for name, values in self._visited.items() if values}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Take what ``arrays`` gave."""
        self._visited = {name: list(arrays.get(f"visited_{name}", ())) for name in _NAMES}
