"""What the sensors make of the plant's state: noise, faults, delay. Seeded by tick, so a lost tick shifts nothing."""

from __future__ import annotations

from collections import deque

import mujoco
import numpy as np

from gpc_ros.signals import Array, Measurement
from gpc_ros.simulation.parameters import NoiseParameters, SimulationParameters

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


class FreeJoint:
    """How the free joint ``index`` of ``model`` is measured: what nav_msgs/Odometry holds, with an error of each."""

    def __init__(self, model: mujoco.MjModel, index: int) -> None:
        self.name = str(model.joint(index).name)
        self._qpos, self._dof = int(model.jnt_qposadr[index]), int(model.jnt_dofadr[index])

    def pose(self, data: mujoco.MjData, error: Array) -> Array:
        """Position [m] in the world frame and quat_wxyz (7,); ``error`` (6,): position [m], rotation vector [rad]."""
        pose = data.qpos[self._qpos : self._qpos + 7].copy()
        pose[:3] += error[:3]
        mujoco.mju_quatIntegrate(pose[3:], error[3:], 1.0)
        return pose

    def twist(self, data: mujoco.MjData, error: Array) -> Array:
        """Linear [m/s] and angular velocity [rad/s] in the body's frame (6,), with ``error`` (6,)."""
        twist, inverse = data.qvel[self._dof : self._dof + 6].copy(), np.empty(4)
        mujoco.mju_negQuat(inverse, data.qpos[self._qpos + 3 : self._qpos + 7])
        mujoco.mju_rotVecQuat(twist[:3], data.qvel[self._dof : self._dof + 3], inverse)
        return twist + error


class Sensing:
    """Makes a measurement of a state; a ``None`` is one that was lost or has not come yet."""

    def __init__(self, model: mujoco.MjModel, seed: int) -> None:
        scalar = np.isin(model.jnt_type, (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)))
        self._qpos = model.jnt_qposadr[scalar]
        self._dofs = model.jnt_dofadr[scalar]
        free = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)
        self._free = [FreeJoint(model, int(index)) for index in free]
        self._noise = NoiseStream(seed, 1, 2 * len(self._qpos) + 12 * len(self._free))
        self._delayed: deque[Measurement | None] = deque()
        self._last: dict[str, Array] = {}

    def clear(self) -> None:
        """Forget what is on its way, as after a reset."""
        self._delayed.clear()
        self._last = {}

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
        noise, faults = parameters.noise, parameters.faults
        jump = faults.outlier_size if uniform[0] < faults.outlier else 0.0
        readings = self._places(data, noise, normal, jump)
        if faults.stuck and self._last:
            readings = self._last
        self._last = readings
        if faults.nonfinite:
            readings = {name: np.full(len(values), np.nan) for name, values in readings.items()}
        if parameters.measure_velocity:
            readings = readings | self._rates(data, noise, normal)
        lost = faults.drop and uniform[1] < faults.drop
        return None if lost else Measurement(stamp_ns, readings, epoch)

    def _places(self, data: mujoco.MjData, noise: NoiseParameters, normal: Array, jump: float) -> dict[str, Array]:
        """Positions and poses, off by their noise and by ``jump``."""
        count, readings = len(self._qpos), {}
        if count:
            position = data.qpos[self._qpos] + noise.position * normal[:count]
            readings["position"] = position + jump * np.sign(normal[:count])
        std = np.repeat([noise.pose_position, noise.pose_rotation], 3)
        for joint, own in zip(self._free, self._own(normal), strict=True):
            readings[f"{joint.name}/pose"] = joint.pose(data, std * own[0] + jump * np.sign(own[0]))
        return readings

    def _rates(self, data: mujoco.MjData, noise: NoiseParameters, normal: Array) -> dict[str, Array]:
        """Velocities and twists, off by their noise."""
        count, readings = len(self._qpos), {}
        if count:
            readings["velocity"] = data.qvel[self._dofs] + noise.velocity * normal[count : 2 * count]
        std = np.repeat([noise.twist_linear, noise.twist_angular], 3)
        for joint, own in zip(self._free, self._own(normal), strict=True):
            readings[f"{joint.name}/twist"] = joint.twist(data, std * own[1])
        return readings

    def _own(self, normal: Array) -> Array:
        """What of ``normal`` is for each free joint, of its pose and of its twist (free joints, 2, 6)."""
        return normal[2 * len(self._qpos) :].reshape(-1, 2, 6)
