"""An estimator that believes exact readings: what the best of all filters would give."""

from __future__ import annotations

import mujoco
import numpy as np

from gpc_ros.errors import InvalidSignal
from gpc_ros.estimation.base import Estimator
from gpc_ros.estimation.parameters import EstimatorParameters
from gpc_ros.estimation.sensors import read, sensors_of
from gpc_ros.estimation.timeline import Timeline
from gpc_ros.signals import Command, Estimate, Health, Measurement

_NEVER_NS = 2**62


class Truth(Estimator):
    """Passes readings through; does not coast.

    A measurement must hold every sensor of ``sensors_of`` the model (for hinges and slides: ``position`` and
    ``velocity``), else it is refused and counted as ``names``.
    """

    def __init__(self, task_model: mujoco.MjModel) -> None:
        super().__init__()
        self._model = task_model
        self._sensors = sensors_of(task_model, EstimatorParameters())
        self._timeline = Timeline(coast_ns=_NEVER_NS, reset_after_ns=_NEVER_NS, future_ns=0)
        self._estimate = Estimate(0, task_model.qpos0.copy(), np.zeros(task_model.nv), health=Health.UNHEALTHY)

    def update(
        self, measurement: Measurement, command: Command | None = None, *, now_ns: int | None = None
    ) -> Estimate:
        """As ``Estimator.update``."""
        del command
        try:
            self._timeline.judge(measurement.stamp_ns, measurement.epoch, now_ns)
            readings = read(self._sensors, measurement.readings)
            if len(readings) != len(self._sensors):
                raise InvalidSignal("names", f"the truth needs all of {', '.join(self._sensors)}")
        except InvalidSignal as refusal:
            self.refuse(refusal)
            return self._estimate
        self._timeline.accept(measurement.stamp_ns, measurement.epoch)
        qpos, qvel = self._model.qpos0.copy(), np.zeros(self._model.nv)
        for sensor, values in readings:
            sensor.apply(values, qpos, qvel)
        self._estimate = Estimate(measurement.stamp_ns, qpos, qvel, epoch=measurement.epoch)
        return self._estimate

    def predict(self, stamp_ns: int, command: Command | None = None) -> Estimate | None:
        """The last estimate, at its own stamp only."""
        del command
        return self._estimate if stamp_ns == self._timeline.stamp_ns else None
