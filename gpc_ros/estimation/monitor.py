"""How far the estimate can be trusted, from how well measurements agree with their predictions."""

from __future__ import annotations

from collections import deque

from gpc_ros.estimation.parameters import EstimatorParameters
from gpc_ros.signals import NS_PER_S, Health

_CLIP = 10.0  # NIS per degree of freedom of one measurement: a single outlier is not to fill the window


class Monitor:
    """Windowed NIS and share of rejections, and the health that follows.

    A measurement's NIS is nu' S^-1 nu / n, 1 in the mean for a consistent filter. Rejected measurements count too.
    Only a high mean is held against the filter: a low one says that it is over-cautious, which endangers nothing.
    """

    def __init__(self, parameters: EstimatorParameters, period_ns: int) -> None:
        self._parameters = parameters
        size = max(1, round(parameters.window_s * NS_PER_S / period_ns))
        self._nis: deque[float] = deque(maxlen=size)
        self._rejected: deque[bool] = deque(maxlen=size)
        self._unhealthy_after_ns = round(parameters.unhealthy_after_s * NS_PER_S)
        self._healthy_after_ns = round(parameters.healthy_after_s * NS_PER_S)
        self._degraded_after_ns = round(parameters.degraded_after_s * NS_PER_S)
        self.clear(0)

    def clear(self, stamp_ns: int) -> None:
        """Forget everything, as for a new plant, at ``stamp_ns`` [ns]."""
        size = self._nis.maxlen or 1
        self._nis.extend([1.0] * size)
        self._rejected.extend([False] * size)
        self.nis = 1.0
        self.unhealthy = False
        self.pause(stamp_ns)

    def pause(self, stamp_ns: int) -> None:
        """Count times from ``stamp_ns`` [ns] on, as after a gap."""
        self._since_ns = self.stamp_ns = stamp_ns

    def add(self, stamp_ns: int, nis: float, *, rejected: bool) -> None:
        """Take in one measurement's NIS per degree of freedom, and whether the gate rejected any of it."""
        self.stamp_ns = stamp_ns
        self._nis.append(min(nis, _CLIP))
        self._rejected.append(rejected)
        self.nis = sum(self._nis) / len(self._nis)
        if (self.nis > self._parameters.nis_limit) == self.unhealthy:
            self._since_ns = stamp_ns
            return
        patience = self._healthy_after_ns if self.unhealthy else self._unhealthy_after_ns
        if stamp_ns - self._since_ns >= patience:
            self.unhealthy = not self.unhealthy
            self._since_ns = stamp_ns

    def health(self, *, converged: bool, coasting_ns: int) -> Health:
        """Health of an estimate whose last accepted measurement is ``coasting_ns`` [ns] old."""
        if self.unhealthy:
            return Health.UNHEALTHY
        if not converged:
            return Health.STARTING
        rejections = sum(self._rejected) / len(self._rejected)
        inconsistent = self.nis > self._parameters.nis_limit or rejections > self._parameters.rejection_limit
        return Health.DEGRADED if inconsistent or coasting_ns > self._degraded_after_ns else Health.OK
