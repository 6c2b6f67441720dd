"""The values that flow between the stages. Frozen; numpy arrays are float64 and are not to be written to.

Every signal keeps ``stamp_ns``, the stamp of the measurement that it descends from, so that age and
measurement-to-command latency are known everywhere. Stamps are ROS time in nanoseconds (in lock-step:
simulated time) and are multiples of the loop period; ``stamp_ns // period_ns`` is the tick.
``epoch`` counts resets of the plant: signals of an older epoch are refused.

Letters: nq positions, nv velocities (degrees of freedom), nu actuators, K knots, N candidates, T steps.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gpc_ros.sampling.spline import Interpolation, read

Array = NDArray[np.float64]

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the sensors say at one instant.

    ``readings`` maps a sensor's name to its values: ``position`` (n,) [rad or m] and optionally
    ``velocity`` (n,) [rad/s or m/s] of the scalar joints in model order.
    """

    stamp_ns: int
    readings: Mapping[str, Array]
    epoch: int = 0


class Health(enum.IntEnum):
    """How far an estimate can be trusted."""

    STARTING = 0  # not yet converged
    OK = 1
    DEGRADED = 2  # coasting on the model, or measurements are being rejected
    UNHEALTHY = 3  # inconsistent with the sensors: not to be controlled on


@dataclass(frozen=True, slots=True)
class Estimate:
    """State estimate: ``qpos`` (nq,), ``qvel`` (nv,), ``covariance`` (2nv, 2nv) in tangent space.

    ``nis`` is the normalised innovation squared divided by its degrees of freedom (1 when consistent). ``coasted``
    estimates bridge a missing measurement by the model; a measured one of an older stamp supersedes them.
    """

    stamp_ns: int
    qpos: Array
    qvel: Array
    covariance: Array | None = None
    epoch: int = 0
    health: Health = Health.OK
    nis: float = 1.0
    coasted: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Knots (K, nu) in actuator units over absolute time: knot k stands at ``start_ns + k * period_ns``.

    With zero-order hold the plan ends one period after its last knot, otherwise at its last knot.
    ``cost`` is the planner's own prediction (nan when unknown); ``info`` holds figures for diagnostics.
    """

    stamp_ns: int
    start_ns: int
    period_ns: int
    knots: Array
    interpolation: Interpolation = Interpolation.ZERO
    planner: str = ""
    cost: float = float("nan")
    epoch: int = 0
    info: Mapping[str, float] = field(default_factory=dict)

    @property
    def end_ns(self) -> int:
        """The first instant [ns] at which the plan says nothing any more."""
        intervals = len(self.knots) - (self.interpolation is not Interpolation.ZERO)
        return self.start_ns + intervals * self.period_ns

    def at(self, time_ns: int) -> Array | None:
        """Actuator values (nu,) at ``time_ns``, or None outside the plan. The only way to read a plan."""
        if not self.start_ns <= time_ns < self.end_ns:
            return None
        return read(self.knots, (time_ns - self.start_ns) / self.period_ns, self.interpolation)


@dataclass(frozen=True, slots=True)
class Samples:
    """Candidate plans of a policy for seeding: ``knots`` (S, K, nu) in actuator units, the first at ``stamp_ns``."""

    stamp_ns: int
    period_ns: int
    knots: Array
    interpolation: Interpolation = Interpolation.ZERO
    epoch: int = 0

    @property
    def start_ns(self) -> int:
        """Where the first knot stands [ns], as in a ``Plan``."""
        return self.stamp_ns


@dataclass(frozen=True, slots=True)
class Command:
    """Actuator values ``ctrl`` (nu,) in actuator units, who made them, and why if it was not the active planner."""

    stamp_ns: int
    ctrl: Array
    source: str = ""
    reason: str = ""
    epoch: int = 0
