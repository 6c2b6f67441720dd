"""The last thing before the robot: blending, slew limit, ctrlrange, finiteness."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from gpc_ros import actuators
from gpc_ros.signals import NS_PER_S, Array
from gpc_ros.tasks.base import Task


class Limiter:
    """Keeps commands finite, inside ``ctrlrange`` and, where ``slew_rate`` is not 0, from jumping.

    Args:
        ctrlrange: (nu, 2).
        period_ns: between two commands.
        rest: command (nu,) before the first one; the safe one of what is not in ``servos``.
        servos: actuators (nu,) that are safe where they were told to be last.
    """

    def __init__(self, ctrlrange: Array, period_ns: int, *, rest: Array, servos: NDArray[np.bool_]) -> None:
        self._low, self._high = ctrlrange.T.copy()
        self._rest, self._servos = np.clip(rest, self._low, self._high), servos
        self._period_s = period_ns / NS_PER_S
        self.slew_rate = 0.0
        """Largest change [ctrlranges per s]; 0 means unlimited."""
        self._last = self._rest
        self._blend_from = self._rest
        self._blend_start_ns = 0
        self._blend_ns = 0

    @classmethod
    def of(cls, task: Task, period_ns: int) -> Self:
        """That of ``task``'s robot, whose servos are told to stay as at the named start before the first command."""
        model = task.model
        rest, servos = actuators.rest(model, task.start(task.named_start).qpos), actuators.servos(model)
        return cls(model.actuator_ctrlrange, period_ns, rest=rest, servos=servos)

    def seat(self, rest: Array) -> None:
        """Let servos be safe at ``rest`` (nu,) until the next command: the robot is not where it was."""
        self._last, self._rest = np.where(self._servos, rest, self._last), np.where(self._servos, rest, self._rest)
        self._blend_from = np.where(self._servos, rest, self._blend_from)

    @property
    def safe(self) -> Array:
        """The command (nu,) that moves nothing by itself, without a look at any state."""
        return np.where(self._servos, self._last, self._rest)

    def begin_blend(self, time_ns: int, duration_ns: int) -> None:
        """From now on blend from the last command to what is asked, over ``duration_ns``."""
        self._blend_from, self._blend_start_ns, self._blend_ns = self._last, time_ns, duration_ns

    def apply(self, ctrl: Array, time_ns: int) -> Array:
        """The command (nu,) that goes out in answer to ``ctrl``."""
        elapsed = time_ns - self._blend_start_ns
        if elapsed < self._blend_ns:
            share = max(elapsed, 0) / self._blend_ns
            ctrl = (1.0 - share) * self._blend_from + share * ctrl
        if not np.isfinite(ctrl).all():
            ctrl = np.where(np.isfinite(ctrl), ctrl, self._last)
        if self.slew_rate:
            step = self.slew_rate * self._period_s * (self._high - self._low)
            ctrl = np.clip(ctrl, self._last - step, self._last + step)
        self._last = np.clip(ctrl, self._low, self._high)
        return self._last
