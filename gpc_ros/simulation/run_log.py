"""What happened in a run: the trajectory, its digest, and the figures that judge it."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Any

import numpy as np

from gpc_ros.signals import NS_PER_S, Array
from gpc_ros.tasks.base import States, Task

_KEPT_TICKS = 120_000  # four minutes at 500 Hz: an endless run keeps its last part


class RunLog:
    """States and commands of a run, tick by tick, with a SHA-256 over all of them."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._rows: deque[tuple[int, Array, Array, Array]] = deque(maxlen=_KEPT_TICKS)
        self._hash = hashlib.sha256()
        self.goal = np.array(task.goal, dtype=float)

    def add(self, stamp_ns: int, qpos: Array, qvel: Array, ctrl: Array) -> None:
        """Note the state (nq,), (nv,) at ``stamp_ns`` and the command (nu,) that it was left with."""
        row = (stamp_ns, qpos.copy(), qvel.copy(), ctrl.copy())
        self._rows.append(row)
        for value in row[1:]:
            self._hash.update(value.tobytes())

    def clear(self) -> None:
        """Forget the trajectory, as after a reset; the digest goes on."""
        self._rows.clear()

    @property
    def digest(self) -> str:
        """SHA-256 over every state and command noted so far."""
        return self._hash.hexdigest()

    def arrays(self) -> tuple[Array, States, Array]:
        """Times (T,) [s] from the first one on, states (T), commands (T, nu)."""
        stamps, qpos, qvel, ctrl = (np.array(column) for column in zip(*self._rows, strict=True))
        return (stamps - stamps[0]) / NS_PER_S, States(qpos, qvel), ctrl

    def summary(self) -> dict[str, Any]:
        """``success``, ``goal_held_s`` (how long the goal has been held at the end), ``mean_cost``, ``mean_abs_du``."""
        if len(self._rows) < 2:
            return {"success": False, "goal_held_s": 0.0, "mean_cost": float("nan"), "mean_abs_du": float("nan")}
        times, states, ctrl = self.arrays()
        missed = np.flatnonzero(~self._task.at_goal(states, self.goal))
        held_from = missed[-1] + 1 if len(missed) else 0
        long_enough = times[-1] >= self._task.success_window_s
        return {
            "success": bool(long_enough and self._task.success(states, times, self.goal)),
            "goal_held_s": float(times[-1] - times[held_from]) if held_from < len(times) else 0.0,
            "mean_cost": float(np.mean(self._task.running_cost(states, ctrl, self.goal))),
            "mean_abs_du": float(np.mean(np.abs(np.diff(ctrl, axis=0)))),
        }
