"""Episodes that begin near states from which little is left to do: there a policy must be precise, and few starts lead.

Letters: V visited states, C cheap ones.
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
    """The states visited in one iteration, with what their plans cost, and starts near the cheap ones for the next."""

    def __init__(self, task: Task, share: float, rng: np.random.Generator) -> None:
        self._share = share
        self._near = Nearby(task.model, 1, start_spread(task, rng)) if share else None
        self._visited: dict[str, list[Array]] = {name: [] for name in _NAMES}
        self._cheap: dict[str, Array] = {}
        self._rows = np.empty(0, dtype=int)

    def note(self, robots: Environments, costs: Array) -> None:
        """The robots' states, and what the plans from there cost (E,)."""
        if self._near is not None:
            for name, values in zip(_NAMES, (robots.qpos, robots.qvel, robots.goal, costs), strict=True):
                self._visited[name].append(values.copy())

    def begin(self, robots: Environments, rng: np.random.Generator) -> NDArray[np.int_]:
        """Choose a share of the robots for starts near the cheap ones of the states noted, and place them there."""
        visited = {name: np.concatenate(values) for name, values in self._visited.items() if values}
        self._visited = {name: [] for name in _NAMES}
        self._rows, self._cheap = np.empty(0, dtype=int), {}
        if visited:
            cheap = np.argsort(visited["cost"])[: max(1, round(_CHEAP * len(visited["cost"])))]
            self._cheap = {name: values[cheap] for name, values in visited.items()}
            self._rows = np.flatnonzero(rng.random(len(robots.qpos)) < self._share)
        return self.place(robots, rng)

    def place(self, robots: Environments, rng: np.random.Generator) -> NDArray[np.int_]:
        """Move the chosen robots to new starts; which ones they are."""
        rows, cheap = self._rows, self._cheap
        if self._near is None or not len(rows):
            return rows
        picks = rng.integers(len(cheap["cost"]), size=len(rows))
        far = 10.0 ** rng.uniform(*_DECADES, (len(rows), 1, 1))
        moves = far * self._near.spread * rng.standard_normal((len(rows), 1, len(self._near.spread)))
        qpos, qvel = self._near.moved(cheap["qpos"][picks], cheap["qvel"][picks], moves)
        robots.qpos[rows], robots.qvel[rows], robots.goal[rows] = qpos[:, 0], qvel[:, 0], cheap["goal"][picks]
        return rows

    def arrays(self) -> dict[str, Array]:
        """The states and the chosen robots, to be restored by ``restore``."""
        found = {f"visited_{name}": np.stack(values) for name, values in self._visited.items() if values}
        return {**found, **{f"cheap_{name}": values for name, values in self._cheap.items()}, "restarted": self._rows}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Take what ``arrays`` gave."""
        self._visited = {name: list(arrays.get(f"visited_{name}", ())) for name in _NAMES}
        self._cheap = {name: arrays[f"cheap_{name}"] for name in _NAMES if f"cheap_{name}" in arrays}
        self._rows = arrays.get("restarted", np.empty(0, dtype=int))
