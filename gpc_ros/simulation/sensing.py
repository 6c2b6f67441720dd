"""What the sensors make of the plant's state: noise, faults, delay. Seeded by tick, so a lost tick shifts nothing."""

from __future__ import annotations

from collections import deque

import mujoco
import numpy as np

from gpc_ros.signals import Array, Measurement
from gpc_ros.simulation.parameters import SimulationParameters

_BLOCK = 1024  # ticks of noise drawn at once: a generator per tick would cost more than the physics


class NoiseStream:
    """White noise (width,) for every tick, the same for the same (seed, stream, tick) in whatever order it is asked."""

    def __init__(self, seed: int, stream: int, width: int) -> None:
        self._key = (seed, stream)
        self._width = width
        self._block = -1
        self._values = np.empty((0, width))
        self._uniform = np.empty((0, 2))

    def at(self, tick: int) -> tuple[Array, Array]:
        """Standard normal (width,) and uniform (2,) numbers of ``tick``."""
        block, row = divmod(tick, _BLOCK)
        if block != self._block:
            rng = np.random.default_rng([*self._key, block])
            self._values = rng.standard_normal((_BLOCK, self._width))
            self._uniform = rng.random((_BLOCK, 2))
            self._block = block
        return self._values[row], self._uniform[row]


class Sensing:
    """Makes a measurement of a state; a ``None`` is one that was lost or has not come yet."""

    def __init__(self, model: mujoco.MjModel, seed: int) -> None:
        scalar = np.isin(model.jnt_type, (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)))
        self._qpos = model.jnt_qposadr[scalar]
        self._dofs = model.jnt_dofadr[scalar]
        self._noise = NoiseStream(seed, 1, 2 * len(self._qpos))
        self._delayed: deque[Measurement | None] = deque()
        self._last: Array | None = None

    def clear(self) -> None:
        """Forget what is on its way, as after a reset."""
        self._delayed.clear()
        self._last = None

    def measure(
        self, data: mujoco.MjData, tick: int, stamp_ns: int, epoch: int, parameters: SimulationParameters, delay: int
    ) -> Measurement | None:
        """The measurement that arrives at ``tick``; taken ``delay`` ticks before."""
        self._delayed.append(self._take(data, tick, stamp_ns, epoch, parameters))
        while len(self._delayed) > delay + 1:  # the delay was made shorter
            self._delayed.popleft()
        return self._delayed.popleft() if len(self._delayed) == delay + 1 else None

    def _take(
        self, data: mujoco.MjData, tick: int, stamp_ns: int, epoch: int, parameters: SimulationParameters
    ) -> Measurement | None:
        normal, uniform = self._noise.at(tick)
        count, faults = len(self._qpos), parameters.faults
        position = data.qpos[self._qpos] + parameters.noise.position * normal[:count]
        if faults.outlier and uniform[0] < faults.outlier:
            position = position + faults.outlier_size * np.sign(normal[:count])
        if faults.stuck and self._last is not None:
            position = self._last
        self._last = position
        if faults.nonfinite:
            position = np.full(count, np.nan)
        readings = {"position": position}
        if parameters.measure_velocity:
            readings["velocity"] = data.qvel[self._dofs] + parameters.noise.velocity * normal[count:]
        lost = faults.drop and uniform[1] < faults.drop
        return None if lost else Measurement(stamp_ns, readings, epoch)
