"""Sensors by name: what each should read in a state, its Jacobian and its noise.

A further sensor is a further class here and a line in ``sensors_of``. Letters: n values of a sensor, the state
error is [dq; dv] (2nv) in the tangent space of MuJoCo (q (+) dq is mj_integratePos, so a free body's rotation
error is a rotation vector in the body's own frame).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import mujoco
import numpy as np
from numpy.typing import NDArray

from gpc_ros.coordinates import Coordinates
from gpc_ros.errors import InvalidSignal
from gpc_ros.estimation.parameters import EstimatorParameters, checked_covariance, spread
from gpc_ros.signals import Array

Indices = NDArray[np.int_]

_SCALAR = (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)
_NO_TURN = 1e300  # of a coordinate that does not come round


class Sensor(ABC):
    """A sensor that sees some coordinates of the tangent space directly, with noise covariance R (n, n).

    ``columns`` (n,) are those coordinates, of 2nv; hence H = I[columns]. A sensor of another kind overrides
    ``jacobian``. ``size`` is the length of a reading, which exceeds n where it holds a quaternion.

    Raises:
        InvalidParameter: if R is not a covariance of n values.
    """

    def __init__(self, name: str, columns: Indices, noise: Array, nv: int) -> None:
        self.name = name
        self.columns = np.asarray(columns, dtype=int)
        self.degrees = len(self.columns)
        self.size = self.degrees
        self.noise = checked_covariance(noise, self.degrees, f"noise of sensor '{name}'")
        self._jacobian = np.eye(2 * nv)[self.columns]

    def jacobian(self, qpos: Array, qvel: Array) -> Array:
        """H = dh/d[dq; dv], (n, 2nv), at ``qpos`` (nq,), ``qvel`` (nv,)."""
        del qpos, qvel
        return self._jacobian

    @abstractmethod
    def innovation(self, values: Array, qpos: Array, qvel: Array) -> Array:
        """A reading ``values`` (size,) minus what is expected in the state: nu (n,)."""

    @abstractmethod
    def apply(self, values: Array, qpos: Array, qvel: Array) -> None:
        """Set the seen part of ``qpos`` and ``qvel`` to a reading, in place."""

    @abstractmethod
    def check(self, values: Array) -> None:
        """Whether a finite reading is plausible.

        Raises:
            InvalidSignal: reason ``range`` if it is not.
        """


class JointPosition(Sensor):
    """``position`` (n,) [rad or m] of hinges and slides; angles of hinges without a range count modulo a turn."""

    def __init__(self, model: mujoco.MjModel, parameters: EstimatorParameters, name: str = "position") -> None:
        joints = scalar_joints(model)
        std = spread(parameters.position_std, len(joints), "position_std")
        super().__init__(name, model.jnt_dofadr[joints], np.diag(std**2), model.nv)
        self._adr = model.jnt_qposadr[joints]
        self._names = [model.joint(int(i)).name for i in joints]
        limited = model.jnt_limited[joints].astype(bool)
        turning = ~limited & (model.jnt_type[joints] == mujoco.mjtJoint.mjJNT_HINGE)
        self._turn = np.where(turning, 2 * np.pi, _NO_TURN)
        low, high = model.jnt_range[joints].T
        margin = parameters.range_margin * (high - low)
        self._low = np.where(limited, low - margin, -parameters.position_limit)
        self._high = np.where(limited, high + margin, parameters.position_limit)

    def innovation(self, values: Array, qpos: Array, qvel: Array) -> Array:
        """As ``Sensor.innovation``."""
        nu = values - qpos[self._adr]
        return nu - self._turn * np.ceil(nu / self._turn - 0.5)  # to (-turn / 2, turn / 2]

    def apply(self, values: Array, qpos: Array, qvel: Array) -> None:
        """As ``Sensor.apply``."""
        qpos[self._adr] = values

    def check(self, values: Array) -> None:
        """As ``Sensor.check``."""
        _check_range(self._names, values, self._low, self._high)


class Rates(Sensor):
    """Velocities (n,) [rad/s or m/s] of the degrees of freedom ``dofs``, as MuJoCo's qvel has them."""

    def __init__(self, model: mujoco.MjModel, name: str, dofs: Indices, *, std: Array, limit: float) -> None:
        super().__init__(name, model.nv + dofs, np.diag(std**2), model.nv)
        self._dofs = dofs
        self._names = [Coordinates(model).names[i] for i in dofs]
        self._high = np.full(len(dofs), limit)

    def innovation(self, values: Array, qpos: Array, qvel: Array) -> Array:
        """As ``Sensor.innovation``."""
        return values - qvel[self._dofs]

    def apply(self, values: Array, qpos: Array, qvel: Array) -> None:
        """As ``Sensor.apply``."""
        qvel[self._dofs] = values

    def check(self, values: Array) -> None:
        """As ``Sensor.check``."""
        _check_range(self._names, values, -self._high, self._high)


class FreePose(Sensor):
    """``<joint>/pose`` (7,): x y z [m] in the world frame and ``quat_wxyz`` of a free joint; n = 6.

    R is of position (world frame) and rotation vector (body frame). The Jacobian of the rotation part is the identity
    to first order in the innovation.
    """

    def __init__(self, model: mujoco.MjModel, parameters: EstimatorParameters, joint: int) -> None:
        std = np.repeat([parameters.pose_position_std, parameters.pose_rotation_std], 3)
        dof = int(model.jnt_dofadr[joint])
        super().__init__(f"{model.joint(joint).name}/pose", np.arange(dof, dof + 6), np.diag(std**2), model.nv)
        self.size = 7
        self._adr = int(model.jnt_qposadr[joint])
        self._limit = parameters.position_limit

    def innovation(self, values: Array, qpos: Array, qvel: Array) -> Array:
        """As ``Sensor.innovation``."""
        nu = np.empty(6)
        a = self._adr
        nu[:3] = values[:3] - qpos[a : a + 3]
        mujoco.mju_subQuat(nu[3:], values[3:] / np.linalg.norm(values[3:]), qpos[a + 3 : a + 7])
        return nu

    def apply(self, values: Array, qpos: Array, qvel: Array) -> None:
        """As ``Sensor.apply``."""
        a = self._adr
        qpos[a : a + 3] = values[:3]
        qpos[a + 3 : a + 7] = values[3:] / np.linalg.norm(values[3:])

    def check(self, values: Array) -> None:
        """As ``Sensor.check``."""
        if np.abs(values[:3]).max() > self._limit:
            raise InvalidSignal("range", f"{self.name}: position beyond {self._limit:g} m")
        if not 0.9 < (norm := float(np.linalg.norm(values[3:]))) < 1.1:
            raise InvalidSignal("range", f"{self.name}: quaternion of length {norm:.3g}, expected 1")


class FreeTwist(Sensor):
    """``<joint>/twist`` (6,): linear [m/s] and angular velocity [rad/s] of a free joint, both in the body's frame.

    So nav_msgs/Odometry gives it, and an observer on the body sees it; MuJoCo's linear velocity w is in the world
    frame: nu = y - R' w, whose Jacobian is [R' w]x by the rotation (body frame) and R' by w.
    """

    def __init__(self, model: mujoco.MjModel, parameters: EstimatorParameters, joint: int) -> None:
        std = np.repeat([parameters.twist_linear_std, parameters.twist_angular_std], 3)
        self._adr, self._dof, self._nv = int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint]), model.nv
        columns = model.nv + self._dof + np.arange(6)
        super().__init__(f"{model.joint(joint).name}/twist", columns, np.diag(std**2), model.nv)
        self._limit = parameters.velocity_limit

    def jacobian(self, qpos: Array, qvel: Array) -> Array:
        """As ``Sensor.jacobian``."""
        turned, jacobian, dof = self._rotation(qpos).T, self._jacobian.copy(), self._dof
        x, y, z = turned.dot(qvel[dof : dof + 3])
        jacobian[:3, dof + 3 : dof + 6] = ((0.0, -z, y), (z, 0.0, -x), (-y, x, 0.0))
        jacobian[:3, self._nv + dof : self._nv + dof + 3] = turned
        return jacobian

    def innovation(self, values: Array, qpos: Array, qvel: Array) -> Array:
        """As ``Sensor.innovation``."""
        nu = values - qvel[self._dof : self._dof + 6]
        nu[:3] = values[:3] - self._rotation(qpos).T.dot(qvel[self._dof : self._dof + 3])
        return nu

    def apply(self, values: Array, qpos: Array, qvel: Array) -> None:
        """As ``Sensor.apply``; the orientation must be in ``qpos`` already."""
        qvel[self._dof : self._dof + 6] = values
        qvel[self._dof : self._dof + 3] = self._rotation(qpos).dot(values[:3])

    def check(self, values: Array) -> None:
        """As ``Sensor.check``."""
        if np.abs(values).max() > self._limit:
            raise InvalidSignal("range", f"{self.name}: velocity beyond {self._limit:g}")

    def _rotation(self, qpos: Array) -> Array:
        """R (3, 3), from the body's to the world frame."""
        matrix = np.empty(9)
        mujoco.mju_quat2Mat(matrix, qpos[self._adr + 3 : self._adr + 7])
        return matrix.reshape(3, 3)


def scalar_joints(model: mujoco.MjModel) -> Indices:
    """Indices of the hinges and slides of ``model``, in model order."""
    return np.flatnonzero(np.isin(model.jnt_type, _SCALAR))


def sensors_of(model: mujoco.MjModel, parameters: EstimatorParameters) -> dict[str, Sensor]:
    """All sensors that measurements of ``model`` may speak of, by name."""
    found: list[Sensor] = []
    limit = parameters.velocity_limit
    if (joints := scalar_joints(model)).size:
        std = spread(parameters.velocity_std, len(joints), "velocity_std")
        found.append(JointPosition(model, parameters))
        found.append(Rates(model, "velocity", model.jnt_dofadr[joints], std=std, limit=limit))
    for joint in np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE):
        found += [FreePose(model, parameters, int(joint)), FreeTwist(model, parameters, int(joint))]
    return {sensor.name: sensor for sensor in found}


def read(sensors: Mapping[str, Sensor], readings: Mapping[str, Array]) -> list[tuple[Sensor, Array]]:
    """Each reading as floats with its sensor, in the order of ``sensors``. All are good, or none is taken.

    Raises:
        InvalidSignal: reason ``names``, ``type``, ``size``, ``nonfinite`` or ``range``.
    """
    if not readings:
        raise InvalidSignal("names", f"a measurement without readings. Valid: {', '.join(sensors)}")
    for name in readings:
        if name not in sensors:
            raise InvalidSignal("names", f"unknown sensor '{str(name)[:40]}'. Valid: {', '.join(sensors)}")
    return [(sensor, _values(sensor, readings[name])) for name, sensor in sensors.items() if name in readings]


def _values(sensor: Sensor, values: Array) -> Array:
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise InvalidSignal("type", f"{sensor.name}: not an array of numbers")
    if values.shape != (sensor.size,):
        raise InvalidSignal("size", f"{sensor.name}: shape {values.shape}, expected ({sensor.size},)")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise InvalidSignal("nonfinite", f"{sensor.name}: {values} is not finite")
    sensor.check(values)
    return values


def _check_range(names: list[str], values: Array, low: Array, high: Array) -> None:
    outside = (values < low) | (values > high)
    if outside.any():
        i = int(np.argmax(outside))
        raise InvalidSignal("range", f"{names[i]} = {values[i]:.6g} is outside [{low[i]:.6g}, {high[i]:.6g}]")
