"""Error-state extended Kalman filter on a task's MuJoCo model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import mujoco
import numpy as np
from scipy.special import gammaincinv

from gpc_ros import actuators
from gpc_ros.coordinates import Coordinates
from gpc_ros.errors import InvalidParameter, InvalidSignal
from gpc_ros.estimation.base import Estimator
from gpc_ros.estimation.belief import Belief, Correction, Process
from gpc_ros.estimation.monitor import Monitor
from gpc_ros.estimation.parameters import EstimatorParameters, checked_covariance
from gpc_ros.estimation.sensors import Sensor, read, sensors_of
from gpc_ros.estimation.timeline import Timeline, Turn
from gpc_ros.signals import NS_PER_S, Array, Command, Estimate, Health, Measurement


class Ekf(Estimator):
    """Predicts with MuJoCo (``Process``), corrects in Joseph form (``Correction``), gates each sensor on its own.

    - A measurement with any bad reading is refused as a whole; the estimate then coasts to its stamp.
    - A reading whose NIS exceeds the chi-square quantile of ``gate_probability`` is left out (``gate``). A sensor left
      out without a break for ``reset_after_s`` is believed: the filter starts anew from the measurement (``reset``).
    - It also starts anew on a new epoch (``restart: epoch``), after a gap of more than ``coast_time_s``
      (``restart: gap``), a clock set back (``restart: clock``), and a numerical failure (``numerical``).
    - A command of the wrong size, or not finite, is refused (``command``): the last good one stays in force.

    ``counters`` counts these words and the reasons of refused measurements: ``stamp future epoch duplicate late``
    (see ``Timeline``) and ``names type size nonfinite range`` (see ``sensors.read``).

    Args:
        task_model: copied; its ``opt.timestep`` plays no part.
        parameters: noise, gates and timeouts.
        period_ns: loop period [ns], the length of a prediction step.
        sensors: by name, where a robot has others than ``sensors_of`` its model.

    Raises:
        InvalidModel: if actuators have activation states, or a joint has no name.
        InvalidParameter: for a list of the wrong length, a noise that is no covariance, a period that is not positive.
    """

    def __init__(
        self,
        task_model: mujoco.MjModel,
        parameters: EstimatorParameters,
        period_ns: int,
        *,
        sensors: Mapping[str, Sensor] | None = None,
    ) -> None:
        super().__init__()
        if period_ns <= 0:
            raise InvalidParameter(f"period_ns = {period_ns}: must be positive")
        self._process = Process(task_model, parameters, period_ns)
        self._model = self._process.model
        self._sensors = dict(sensors_of(task_model, parameters) if sensors is None else sensors)
        self._gates = {
            name: 2.0 * float(gammaincinv(sensor.degrees / 2, parameters.gate_probability))
            for name, sensor in self._sensors.items()
        }
        self._names = Coordinates(task_model).names
        self._parameters = parameters
        self._coast_ns = round(parameters.coast_time_s * NS_PER_S)
        self._reset_after_ns = round(parameters.reset_after_s * NS_PER_S)
        self._timeline = Timeline(
            coast_ns=self._coast_ns,
            reset_after_ns=self._reset_after_ns,
            future_ns=round(parameters.future_tolerance_s * NS_PER_S),
        )
        self._correction = Correction(self._model)
        self._monitor = Monitor(parameters, period_ns)
        self._belief = self._prior()
        self._servos = actuators.servos(self._model)
        self._ctrl = actuators.rest(self._model, self._belief.qpos)
        self._used_ns: dict[str, int] = {}  # by sensor, stamp of the last reading that was used
        self._accepted_ns = 0  # the oldest of these: a sensor that falls silent is missed
        self._rejected_since: dict[str, int] = {}  # by sensor, first stamp of an unbroken run of rejections
        self._converged = False
        self._estimate = self._publish(self._belief, 0, Health.UNHEALTHY)

    @property
    def unconverged(self) -> list[str]:
        """Coordinates of which the position or velocity is not known well enough yet."""
        deviation = np.sqrt(np.diag(self._belief.covariance)).reshape(2, -1)
        limits = [[self._parameters.converged_position_std], [self._parameters.converged_velocity_std]]
        return [name for name, bad in zip(self._names, np.any(deviation > limits, axis=0), strict=True) if bad]

    def start(self, estimate: Estimate) -> None:
        """Go on from a known state: ``qpos``, ``qvel``, ``covariance`` (2nv, 2nv), stamp and epoch of ``estimate``.

        Raises:
            InvalidParameter: for a wrong size, a value that is not finite, or no positive semidefinite covariance.
        """
        model = self._model
        if estimate.qpos.shape != (model.nq,) or estimate.qvel.shape != (model.nv,):
            raise InvalidParameter(f"initial state: expected qpos ({model.nq},) and qvel ({model.nv},)")
        if not (np.isfinite(estimate.qpos).all() and np.isfinite(estimate.qvel).all()):
            raise InvalidParameter("initial state is not finite")
        prior = self._prior().covariance if estimate.covariance is None else estimate.covariance
        covariance = checked_covariance(prior, 2 * model.nv, "initial covariance")
        self._belief = Belief(estimate.qpos.copy(), estimate.qvel.copy(), covariance, np.zeros(model.nv))
        self._begin(estimate.stamp_ns, estimate.epoch, forget=True)

    def update(
        self, measurement: Measurement, command: Command | None = None, *, now_ns: int | None = None
    ) -> Estimate:
        """As ``Estimator.update``."""
        stamp_ns, epoch = measurement.stamp_ns, measurement.epoch
        try:
            turn = self._timeline.judge(stamp_ns, epoch, now_ns)
        except InvalidSignal as refusal:
            self.refuse(refusal)
            return self._estimate
        try:
            readings = read(self._sensors, measurement.readings)
        except InvalidSignal as refusal:
            self.refuse(refusal)
            coasting = self.predict(stamp_ns, command) if turn is Turn.NEXT else None
            return coasting or replace(self._estimate, stamp_ns=stamp_ns, epoch=epoch, health=Health.UNHEALTHY)
        self._take(command)
        with np.errstate(all="ignore"):  # what overflows shows in Belief.sound
            if turn is not Turn.NEXT:
                if turn is not Turn.FIRST:
                    self.counters[f"restart: {turn.value}"] += 1
                self._restart(readings, stamp_ns, epoch, forget=turn in (Turn.FIRST, Turn.EPOCH))
            elif reason := self._advance(readings, stamp_ns):
                self.counters[reason] += 1
                self._restart(readings, stamp_ns, epoch, forget=False)
        self._converged = self._converged or not self.unconverged
        self._estimate = self._publish(self._belief, stamp_ns, self._health(stamp_ns))
        return self._estimate

    def predict(self, stamp_ns: int, command: Command | None = None) -> Estimate | None:
        """As ``Estimator.predict``; None before the first measurement, past ``coast_time_s`` or if not finite."""
        last_ns = self._timeline.stamp_ns
        if last_ns is None or not 0 <= stamp_ns - last_ns <= self._coast_ns:
            return None
        if stamp_ns == last_ns:
            return self._estimate
        belief = self._belief.copy()
        ctrl = self._checked(command)
        with np.errstate(all="ignore"):
            self._process.predict(belief, stamp_ns - last_ns, self._ctrl if ctrl is None else ctrl)
            return self._publish(belief, stamp_ns, self._health(stamp_ns)) if belief.sound() else None

    def _advance(self, readings: list[tuple[Sensor, Array]], stamp_ns: int) -> str:
        """Predict and correct; the reason to start anew, or none."""
        last_ns = self._timeline.stamp_ns or 0
        self._process.predict(self._belief, stamp_ns - last_ns, self._ctrl)
        self._timeline.accept(stamp_ns, self._timeline.epoch)
        nis, degrees, rejected = 0.0, 0, False
        for sensor, values in readings:
            found = self._correction.innovation(self._belief, sensor, values)
            if found is None:
                return "numerical"
            nis += found.nis
            degrees += sensor.degrees
            if found.nis <= self._gates[sensor.name]:
                self._correction.apply(self._belief, sensor, found)
                self._rejected_since.pop(sensor.name, None)
                self._used_ns[sensor.name] = stamp_ns
                continue
            rejected = True
            self.counters["gate"] += 1
            if stamp_ns - self._rejected_since.setdefault(sensor.name, stamp_ns) >= self._reset_after_ns:
                return "reset"
        if not self._belief.sound():
            return "numerical"
        self._accepted_ns = min(self._used_ns.values(), default=self._accepted_ns)
        self._monitor.add(stamp_ns, nis / degrees, rejected=rejected)
        return ""

    def _prior(self) -> Belief:
        model, parameters = self._model, self._parameters
        std = np.repeat([parameters.initial_position_std, parameters.initial_velocity_std], model.nv)
        return Belief(model.qpos0.copy(), np.zeros(model.nv), np.diag(std**2), np.zeros(model.nv))

    def _restart(self, readings: list[tuple[Sensor, Array]], stamp_ns: int, epoch: int, *, forget: bool) -> None:
        self._belief = belief = self._prior()
        for sensor, values in readings:
            sensor.apply(values, belief.qpos, belief.qvel)
            belief.covariance[np.ix_(sensor.columns, sensor.columns)] = sensor.noise
        self._begin(stamp_ns, epoch, forget=forget)
        self._used_ns = {sensor.name: stamp_ns for sensor, _ in readings}

    def _begin(self, stamp_ns: int, epoch: int, *, forget: bool) -> None:
        """Take the present belief as the state at ``stamp_ns``; ``forget`` also how well the past one agreed."""
        self._timeline.accept(stamp_ns, epoch)
        self._accepted_ns = stamp_ns
        self._used_ns.clear()
        self._rejected_since.clear()
        if forget:
            self._monitor.clear(stamp_ns)
            self._ctrl = actuators.rest(self._model, self._belief.qpos)
        elif stamp_ns - self._monitor.stamp_ns > self._coast_ns or stamp_ns < self._monitor.stamp_ns:
            self._monitor.pause(stamp_ns)
        self._converged = not self.unconverged
        self._estimate = self._publish(self._belief, stamp_ns, self._health(stamp_ns))

    def _take(self, command: Command | None) -> None:
        ctrl = self._checked(command)
        if ctrl is None:
            message = f"command is not {self._model.nu} finite values; the last good one stays in force"
            self.refuse(InvalidSignal("command", message))
        else:
            self._ctrl = ctrl

    def _checked(self, command: Command | None) -> Array | None:
        """The actuator values (nu,) of ``command``, or the safe ones; None if they are not good."""
        if command is None:
            return np.where(self._servos, self._ctrl, 0.0)
        good = command.ctrl.shape == (self._model.nu,) and np.isfinite(command.ctrl).all()
        return command.ctrl if good else None

    def _health(self, stamp_ns: int) -> Health:
        return self._monitor.health(converged=self._converged, coasting_ns=stamp_ns - self._accepted_ns)

    def _publish(self, belief: Belief, stamp_ns: int, health: Health) -> Estimate:
        return Estimate(
            stamp_ns,
            belief.qpos.copy(),
            belief.qvel.copy(),
            belief.covariance.copy(),
            self._timeline.epoch,
            health,
            self._monitor.nis,
        )
