"""Episodes that begin near states from which little is left to do: there a policy must be precise, and few starts lead.

Letters: V visited states.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

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
    """The states visited in one iteration, with what their plans cost, and starts near the cheap ones in the next."""

    def __init__(self, task: Task, share: float, rng: np.random.Generator) -> None:
        self._share = share
        self._near = Nearby(task.model, 1, start_spread(task, rng)) if share else None
        self._visited: dict[str, list[Array]] = {name: [] for name in _NAMES}
        self._cheap: dict[str, Array] = {}

    def note(self, robots: Environments, costs: Array) -> None:
        """The robots' states, and what the plans from there cost (E,)."""
        if self._near is not None:
            for name, values in zip(_NAMES, (robots.qpos, robots.qvel, robots.goal, costs), strict=True):
                self._visited[name].append(values.copy())

    def turn(self) -> None:
        """A new iteration: robots restart near the cheap ones of the states noted so far, which are forgotten."""
        visited = {name: np.concatenate(values) for name, values in self._visited.items() if values}
        self._visited = {name: [] for name in _NAMES}
        if visited:
            cheap = np.argsort(visited["cost"])[: max(1, round(_CHEAP * len(visited["cost"])))]
            self._cheap = {name: values[cheap] for name, values in visited.items()}

    def place(self, robots: Environments, rng: np.random.Generator, rows: NDArray[np.int_] | None = None) -> None:
        """Move a share of the robots ``rows``, or of all, to starts near cheap states."""
        if self._near is None or not self._cheap:
            return
        rows = np.arange(len(robots.qpos)) if rows is None else rows
        rows = rows[rng.random(len(rows)) < self._share]
        picks = rng.integers(len(self._cheap["cost"]), size=len(rows))
        far = 10.0 ** rng.uniform(*_DECADES, (len(rows), 1, 1))
        moves = far * self._near.spread * rng.standard_normal((len(rows), 1, len(self._near.spread)))
        qpos, qvel = self._near.moved(self._cheap["qpos"][picks], self._cheap["qvel"][picks], moves)
        robots.qpos[rows], robots.qvel[rows], robots.goal[rows] = qpos[:, 0], qvel[:, 0], self._cheap["goal"][picks]

    def arrays(self) -> dict[str, Array]:
        """The states noted so far and the cheap ones, to be restored by ``restore``."""
        visited = {f"visited_{name}": np.stack(values) for name, values in self._visited.items() if values}
        return visited | {f"cheap_{name}": values for name, values in self._cheap.items()}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Take what ``arrays`` gave."""
        self._visited = {name: list(arrays.get(f"visited_{name}", ())) for name in _NAMES}
        self._cheap = {name: arrays[key] for name in _NAMES if (key := f"cheap_{name}") in arrays}
