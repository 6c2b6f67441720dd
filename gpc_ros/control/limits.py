"""The last thing before the robot: blending, slew limit, ctrlrange, finiteness."""

from __future__ import annotations

import numpy as np

from gpc_ros.signals import NS_PER_S, Array


class Limiter:
    """Keeps commands (nu,) finite, inside ``ctrlrange`` (nu, 2) and, where ``slew_rate`` is not 0, from jumping."""

    def __init__(self, ctrlrange: Array, period_ns: int) -> None:
        self._low, self._high = ctrlrange.T.copy()
        self._period_s = period_ns / NS_PER_S
        self.slew_rate = 0.0
        """Largest change [ctrlranges per s]; 0 means unlimited."""
        self.safe = np.clip(np.zeros(len(self._low)), self._low, self._high)
        """The command that asks for nothing: zero, or the limit next to it."""
        self._last = self.safe
        self._blend_from = self.safe
        self._blend_start_ns = 0
        self._blend_ns = 0

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
