"""Holds the robot where it is: the planner of last resort that still looks at the state."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np

from gpc_ros import actuators
from gpc_ros.control.base import Planner
from gpc_ros.signals import Array, Estimate, Plan
from gpc_ros.tasks.base import Task

_NATURAL_FREQUENCY = 5.0  # [rad/s] of the held joints, critically damped


class Hold(Planner):
    """Servos the actuated joints to where they were when it took over, the other joints swing freely.

    Effort actuators: u = (M_jj (w^2 (q0 - q) - 2 w dq) + c_j(q, dq)) / gear with c gravity and Coriolis forces and w
    the natural frequency; position servos keep their place, velocity servos stand still. Clipped to ctrlrange. A plan
    is one knot that lasts one loop period.
    """

    def __init__(self, task: Task, period_ns: int) -> None:
        self._model = task.load_model()
        self._data = mujoco.MjData(self._model)
        self._period_ns = period_ns
        self._kinds = actuators.kinds(self._model)
        self._anchor: Array | None = None
        self._inertia = np.zeros((self._model.nv, self._model.nv))

    def release(self) -> None:
        """Forget the place, so that the next plan holds the place of its own estimate."""
        self._anchor = None

    def plan(
        self,
        estimate: Estimate,
        previous: Plan | None = None,
        seeds: Array | None = None,
        *,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> Plan | None:
        """One knot for one loop period; None if the state is not finite."""
        if not (np.isfinite(estimate.qpos).all() and np.isfinite(estimate.qvel).all()):
            return None
        model, data = self._model, self._data
        data.qpos[:], data.qvel[:] = estimate.qpos, estimate.qvel
        mujoco.mj_fwdPosition(model, data)
        mujoco.mj_fwdVelocity(model, data)
        mujoco.mj_fullM(model, self._inertia, data.qM)
        if self._anchor is None:
            self._anchor = data.actuator_length.copy()
        ctrl = np.array([self._ctrl(index, kind) for index, kind in enumerate(self._kinds)])
        knots = np.clip(ctrl, *model.actuator_ctrlrange.T)[None]
        return Plan(
            estimate.stamp_ns, estimate.stamp_ns, self._period_ns, knots, planner="hold", epoch=estimate.epoch
        )

    def _ctrl(self, index: int, kind: str) -> float:
        assert self._anchor is not None
        if kind == actuators.POSITION:
            return float(self._anchor[index])
        if kind == actuators.VELOCITY:
            return 0.0
        model, data = self._model, self._data
        gain = model.actuator_gainprm[index][0]
        moment = np.zeros((model.nu, model.nv))
        mujoco.mju_sparse2dense(moment, data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind)
        row = moment[index]
        gear2 = float(row @ row)
        if not gear2 or not gain:
            return 0.0
        inertia = float(row @ self._inertia @ row) / gear2**2  # seen along the transmission's length
        bias = float(row @ data.qfrc_bias) / gear2
        error = self._anchor[index] - data.actuator_length[index]
        speed = data.actuator_velocity[index]
        force = inertia * (_NATURAL_FREQUENCY**2 * error - 2 * _NATURAL_FREQUENCY * speed) + bias
        return force / gain
