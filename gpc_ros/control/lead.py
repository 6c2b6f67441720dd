"""Where the robot will be when the next plan is ready: planning takes time, in which whoever drives drives on."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np

from gpc_ros.control.executive import HOLD, STOP
from gpc_ros.control.previous import Previous
from gpc_ros.signals import NS_PER_S, Command, Estimate, Plan
from gpc_ros.tasks.base import Task

_HELD_NS = 10 * NS_PER_S  # beyond any lead


def driving(driver: str, plans: Previous, command: Command | None, estimate: Estimate) -> Plan | None:
    """What the robot does from ``estimate`` on while ``driver`` drives; None where that is not known.

    For a planner its newest of ``plans``; for hold and stop, whose plans nobody hears, the last ``command`` goes on.
    """
    if driver not in (HOLD, STOP):
        return plans.newest(driver, estimate)
    if command is None or command.epoch != estimate.epoch or not np.isfinite(command.ctrl).all():
        return None
    stamp_ns, knots = estimate.stamp_ns, command.ctrl[np.newaxis]
    return Plan(stamp_ns, stamp_ns, _HELD_NS, knots, planner=driver, epoch=estimate.epoch)


class Lead:
    """Steps the task's model under what drives the robot, at the loop period."""

    def __init__(self, task: Task, period_ns: int) -> None:
        self._model = task.load_model()
        self._model.opt.timestep = period_ns / NS_PER_S
        self._data = mujoco.MjData(self._model)
        self._period_ns = period_ns

    def ahead(self, estimate: Estimate, plan: Plan | None, lead_ns: int) -> Estimate:
        """``estimate`` moved on by ``lead_ns`` under ``plan``; as it is without one, or if that has ended by then."""
        periods = round(lead_ns / self._period_ns)
        if plan is None or plan.epoch != estimate.epoch or periods < 1:
            return estimate
        data = self._data
        mujoco.mj_resetData(self._model, data)
        data.qpos[:], data.qvel[:] = estimate.qpos, estimate.qvel
        for period in range(periods):
            ctrl = plan.at(max(estimate.stamp_ns + period * self._period_ns, plan.start_ns))
            if ctrl is None:
                return estimate
            data.ctrl[:] = ctrl
            mujoco.mj_step(self._model, data)
        stamp_ns = estimate.stamp_ns + periods * self._period_ns
        return replace(estimate, stamp_ns=stamp_ns, qpos=data.qpos.copy(), qvel=data.qvel.copy(), covariance=None)
