"""Pushes: forces from outside on a body of the plant, for a tenth of a second."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from gpc_ros.errors import InvalidSignal, UnknownName
from gpc_ros.signals import NS_PER_S, Array

DURATION_S = 0.1


@dataclass(frozen=True, slots=True)
class Push:
    """``force`` (3,) [N] and ``torque`` (3,) [N m] in world axes on the centre of mass of ``body``."""

    body: str
    force: Array
    torque: Array


class Pushes:
    """The pushes that act on a plant. Those that overlap add up; each lasts ``DURATION_S`` of simulated time."""

    def __init__(self, model: mujoco.MjModel, period_ns: int) -> None:
        self._ids = {name: model.body(name).id for name in movable(model)}
        self._ticks = max(1, round(DURATION_S * NS_PER_S / period_ns))
        self._acting: list[tuple[int, Array, int]] = []  # body, wrench (6,), first tick without it
        self._applied = False

    @property
    def acting(self) -> int:
        """How many act now."""
        return len(self._acting)

    def check(self, push: Push) -> None:
        """Refuse what cannot be done.

        Raises:
            UnknownName: no such body, or one that does not move; lists those that do.
            InvalidSignal: a force or torque that is not finite.
        """
        if push.body not in self._ids:
            raise UnknownName("body", push.body, self._ids)
        if not (np.isfinite(push.force).all() and np.isfinite(push.torque).all()):
            raise InvalidSignal("nonfinite", f"push on '{push.body}' is not finite: {push.force} N, {push.torque} N m")

    def add(self, push: Push, tick: int) -> None:
        """Let ``push`` act from ``tick`` on; raises as ``check`` does."""
        self.check(push)
        wrench = np.concatenate((push.force, push.torque))
        self._acting.append((self._ids[push.body], wrench, tick + self._ticks))

    def apply(self, data: mujoco.MjData, tick: int) -> None:
        """Set the outside forces of the period that begins at ``tick``."""
        if not self._acting and not self._applied:
            return
        self._acting = [acting for acting in self._acting if tick < acting[2]]
        data.xfrc_applied[:] = 0.0
        for body, wrench, _ in self._acting:
            data.xfrc_applied[body] += wrench
        self._applied = bool(self._acting)

    def clear(self) -> None:
        """End all, as at a reset, which also puts the forces of MuJoCo's data to zero."""
        self._acting.clear()
        self._applied = False


def movable(model: mujoco.MjModel) -> tuple[str, ...]:
    """Names of the bodies that forces can move, in the order of the model."""
    moving = [i for i in range(1, model.nbody) if model.body_weldid[i] and model.body_mocapid[model.body_rootid[i]] < 0]
    return tuple(name for i in moving if (name := model.body(i).name))
