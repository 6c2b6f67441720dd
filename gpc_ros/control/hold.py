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
    the natural frequency; position servos keep their place and load, velocity servos stand still. Clipped to
    ctrlrange. A plan is one knot that lasts one loop period.
    """

    def __init__(self, task: Task, period_ns: int) -> None:
        self._model = task.load_model()
        self._data = mujoco.MjData(self._model)
        self._period_ns = period_ns
        self._kinds = actuators.kinds(self._model)
        self._anchor: Array | None = None
        self._told = np.zeros(self._model.nu)

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
        if self._anchor is None:
            self._anchor, self._told = data.actuator_length.copy(), actuators.rest(model, estimate.qpos)
        arms = actuators.moments(model, data)
        ctrl = np.array([self._ctrl(index, moment) for index, moment in enumerate(arms)])
        knots = np.clip(ctrl, *model.actuator_ctrlrange.T)[None]
        return Plan(estimate.stamp_ns, estimate.stamp_ns, self._period_ns, knots, planner="hold", epoch=estimate.epoch)

    def _ctrl(self, index: int, moment: Array) -> float:
        """Command of one actuator whose moment arms over the degrees of freedom are ``moment`` (nv,)."""
        assert self._anchor is not None
        model, data, kind = self._model, self._data, self._kinds[index]
        if kind == actuators.POSITION:
            return float(self._told[index])
        gain, arm2 = model.actuator_gainprm[index][0], float(moment @ moment)
        if kind == actuators.VELOCITY or not gain or not arm2:
            return 0.0
        inertia = np.empty(model.nv)
        mujoco.mj_mulM(model, data, inertia, moment)
        error = self._anchor[index] - data.actuator_length[index]
        acceleration = _NATURAL_FREQUENCY**2 * error - 2 * _NATURAL_FREQUENCY * data.actuator_velocity[index]
        force = float(moment @ inertia) / arm2 * acceleration + float(moment @ data.qfrc_bias)
        return force / arm2 / gain
