"""Parameters of the estimators."""

from __future__ import annotations

import numpy as np
from pydantic import ValidationInfo, field_validator

from gpc_ros.config import Parameters, parameter
from gpc_ros.errors import InvalidParameter
from gpc_ros.signals import Array


class EstimatorParameters(Parameters):
    """Noise, gates and timeouts of the filter. All ``std`` are standard deviations."""

    position_std: list[float] = parameter([1e-3], "noise of joint positions, for all or by joint", unit="rad or m")
    velocity_std: list[float] = parameter([0.05], "noise of joint velocities, for all or by joint", unit="rad/s or m/s")
    pose_position_std: float = parameter(2e-3, "noise of a free joint's measured position", unit="m", ge=1e-6, le=1e3)
    pose_rotation_std: float = parameter(5e-3, "noise of its orientation", unit="rad", ge=1e-6, le=1e3)
    twist_linear_std: float = parameter(0.05, "noise of its linear velocity, body frame", unit="m/s", ge=1e-6, le=1e3)
    twist_angular_std: float = parameter(
        0.05, "noise of its angular velocity, body frame", unit="rad/s", ge=1e-6, le=1e3
    )
    odometry_tolerance_s: float = parameter(
        0.005,
        "a free joint's odometry this close in time to the joints' states counts as of their time",
        unit="s",
        ge=0,
        le=1,
    )

    acceleration_std: list[float] = parameter(
        [5.0], "error of the model's acceleration over one period, for all or by coordinate", unit="rad/s^2 or m/s^2"
    )
    actuator_std: list[float] = parameter([0.02], "error of the applied command, for all or by actuator", unit="ctrl")
    initial_position_std: float = parameter(
        1.0, "of positions not measured at the start", unit="rad or m", gt=0, le=1e3
    )
    initial_velocity_std: float = parameter(
        10.0, "of velocities not measured at the start", unit="rad/s or m/s", gt=0, le=1e3
    )
    converged_position_std: float = parameter(
        0.1, "the filter has started once it knows every position so well", unit="rad or m", gt=0, le=1e3
    )
    converged_velocity_std: float = parameter(
        0.3, "the filter has started once it knows every velocity so well", unit="rad/s or m/s", gt=0, le=1e3
    )

    gate_probability: float = parameter(
        0.99999, "share of good measurements that pass the gate", ge=0.9, lt=1, unit="probability"
    )
    range_margin: float = parameter(
        0.25, "how far past a joint's range a reading is believed, as a share of the range", ge=0, le=10
    )
    position_limit: float = parameter(1e3, "largest believed position without a range", unit="rad or m", gt=0, le=1e6)
    velocity_limit: float = parameter(1e3, "largest believed velocity", unit="rad/s or m/s", gt=0, le=1e6)

    coast_time_s: float = parameter(
        0.2, "longest gap that the model bridges; after it the filter starts anew", unit="s", gt=0, le=10
    )
    degraded_after_s: float = parameter(0.02, "time without an accepted measurement", unit="s", gt=0, le=10)
    reset_after_s: float = parameter(
        0.2, "time of unbroken rejection after which the filter starts anew", unit="s", gt=0, le=10
    )
    future_tolerance_s: float = parameter(0.005, "how far a stamp may lie ahead of now", unit="s", ge=0, le=10)

    window_s: float = parameter(0.2, "window of the mean NIS and of the rejections", unit="s", gt=0, le=60)
    nis_limit: float = parameter(3.0, "mean NIS per degree of freedom above which it is inconsistent", gt=1, le=9)
    rejection_limit: float = parameter(0.1, "share of rejected measurements above which it is degraded", ge=0, le=1)
    unhealthy_after_s: float = parameter(0.4, "time of inconsistency until unhealthy", unit="s", ge=0, le=60)
    healthy_after_s: float = parameter(1.0, "time of consistency until healthy again", unit="s", ge=0, le=60)

    @field_validator("position_std", "velocity_std", "acceleration_std", "actuator_std")
    @classmethod
    def _check_each(cls, values: list[float], info: ValidationInfo) -> list[float]:
        least = 0.0 if info.field_name == "actuator_std" else 1e-6
        if not values or not all(least <= value <= 1e6 for value in values):
            raise ValueError(f"needs one value for all or one each, every one from {least:g} to 1e6")
        return values


def spread(values: list[float], size: int, name: str) -> Array:
    """``values`` as an array (size,): one for all, or one each.

    Raises:
        InvalidParameter: if there is neither one nor ``size`` of them; gives ``name``.
    """
    if len(values) not in (1, size):
        raise InvalidParameter(f"{name} has {len(values)} values, valid: 1 or {size}")
    return np.full(size, values[0]) if len(values) == 1 else np.array(values, dtype=float)


def checked_covariance(matrix: Array, size: int, name: str) -> Array:
    """``matrix`` as a symmetric positive semidefinite float array (size, size).

    Raises:
        InvalidParameter: if it has another shape, is not finite, not symmetric or not positive semidefinite.
    """
    matrix = np.array(matrix, dtype=float)
    if matrix.shape != (size, size):
        raise InvalidParameter(f"{name} has shape {matrix.shape}, expected {(size, size)}")
    if not np.isfinite(matrix).all():
        raise InvalidParameter(f"{name} is not finite")
    scale = float(np.abs(matrix).max(initial=0.0))
    if np.abs(matrix - matrix.T).max(initial=0.0) > 1e-9 * scale:
        raise InvalidParameter(f"{name} is not symmetric")
    if size and (smallest := float(np.linalg.eigvalsh(matrix)[0])) < -1e-12 * scale:
        raise InvalidParameter(f"{name} is not positive semidefinite: eigenvalue {smallest:.3g}")
    return 0.5 * (matrix + matrix.T)
