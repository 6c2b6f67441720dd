"""A Gaussian over the state, its prediction by MuJoCo, and its correction by a reading.

State x = (q, v), error [dq; dv] (2nv) in the tangent space of MuJoCo: q = q^ (+) dq by mj_integratePos.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import NamedTuple

import mujoco
import numpy as np
from scipy.linalg import lapack

from gpc_ros.errors import InvalidModel
from gpc_ros.estimation.parameters import EstimatorParameters, spread
from gpc_ros.estimation.sensors import Sensor
from gpc_ros.signals import NS_PER_S, Array

_EPSILON = 1e-6  # of mjd_transitionFD
_STRETCH = 0.1  # share of a period by which a step may be longer, so that jitter of stamps costs no second step


@dataclass(slots=True)
class Belief:
    """Mean ``qpos`` (nq,), ``qvel`` (nv,), ``covariance`` (2nv, 2nv); changed in place.

    ``warmstart`` (nv,) is the state of MuJoCo's constraint solver: kept here, what is predicted for one belief does
    not depend on what was predicted for another.
    """

    qpos: Array
    qvel: Array
    covariance: Array
    warmstart: Array

    def copy(self) -> Belief:
        """An independent copy."""
        return Belief(self.qpos.copy(), self.qvel.copy(), self.covariance.copy(), self.warmstart.copy())

    def sound(self) -> bool:
        """Whether the mean is finite and the covariance positive definite (which a NaN in it is not)."""
        mean = float(self.qpos @ self.qpos + self.qvel @ self.qvel)
        return math.isfinite(mean) and lapack.dpotrf(self.covariance)[1] == 0


class Process:
    """The task's MuJoCo model as a process model, in steps of about ``period_ns`` [ns].

    One step of length dt: x' = f(x, u), P' = A P A' + Q with A, B from mjd_transitionFD at x and
    Q = G diag(sa^2) G' + B diag(su^2) B', G = [dt^2 I; dt I]: MuJoCo's Euler step is semi-implicit, q' = q + dt v',
    so an acceleration error sa, constant over the step, enters the position with dt^2 and not dt^2 / 2.

    Raises:
        InvalidModel: if the model's actuators have states of their own, which the filter does not estimate.
        InvalidParameter: if a list of standard deviations has the wrong length.
    """

    def __init__(self, model: mujoco.MjModel, parameters: EstimatorParameters, period_ns: int) -> None:
        if model.na:
            raise InvalidModel(f"the estimator takes no actuators with activation states; the model has {model.na}")
        self.model = copy.copy(model)
        # a bad state is to show as such: MuJoCo's own remedy would put the model back to its first pose
        self.model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        self.period_ns = period_ns
        self._data = mujoco.MjData(self.model)
        nv, nu = model.nv, model.nu
        self._nv = nv
        self._variance = spread(parameters.acceleration_std, nv, "acceleration_std") ** 2
        self._actuator_std = spread(parameters.actuator_std, nu, "actuator_std")
        self._noisy_actuators = bool(self._actuator_std.any())
        self._transition = np.zeros((2 * nv, 2 * nv))
        self._input = np.zeros((2 * nv, nu)) if self._noisy_actuators else None  # a third of the work, where wanted
        self._work = np.zeros((2 * nv, 2 * nv))
        self._noise = np.zeros((2 * nv, 2 * nv))
        self._step_s = 0.0

    def predict(self, belief: Belief, duration_ns: int, ctrl: Array) -> None:
        """Advance ``belief`` by ``duration_ns`` [ns] under ``ctrl`` (nu,), in equal steps of about a period."""
        steps = max(1, math.ceil(duration_ns / self.period_ns - _STRETCH))
        self._set_step(duration_ns / steps / NS_PER_S)
        data = self._data
        data.ctrl[:] = ctrl
        data.qpos[:], data.qvel[:], data.qacc_warmstart[:] = belief.qpos, belief.qvel, belief.warmstart
        for _ in range(steps):
            mujoco.mjd_transitionFD(self.model, data, _EPSILON, False, self._transition, self._input, None, None)
            self._spread(belief.covariance)
            mujoco.mj_step(self.model, data)
        belief.covariance += belief.covariance.T
        belief.covariance *= 0.5
        belief.qpos[:], belief.qvel[:], belief.warmstart[:] = data.qpos, data.qvel, data.qacc_warmstart

    def _spread(self, covariance: Array) -> None:
        np.dot(self._transition, covariance, out=self._work)
        np.dot(self._work, self._transition.T, out=covariance)
        covariance += self._noise
        if self._input is not None:
            gain = self._input * self._actuator_std
            covariance += gain @ gain.T

    def _set_step(self, step_s: float) -> None:
        if step_s == self._step_s:
            return
        self._step_s = self.model.opt.timestep = step_s
        i, nv = np.arange(self._nv), self._nv
        self._noise[i, i] = step_s**4 * self._variance
        self._noise[i, nv + i] = self._noise[nv + i, i] = step_s**3 * self._variance
        self._noise[nv + i, nv + i] = step_s**2 * self._variance


class Innovation(NamedTuple):
    """``nis`` nu' S^-1 nu, ``cross`` H P (n, 2nv), ``weighted`` S^-1 nu (n,), ``gain`` K' (n, 2nv) of a reading."""

    nis: float
    cross: Array
    weighted: Array
    gain: Array


class Correction:
    """Kalman correction by one reading, in Joseph form.

    S = H P H' + R, K = P H' S^-1 (Cholesky), x <- x (+) K nu, P <- (I - K H) P (I - K H)' + K R K'.
    The error is re-based at the new mean to first order: the rotation of K nu is small.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._nv = model.nv
        self._identity = np.eye(2 * model.nv)

    def innovation(self, belief: Belief, sensor: Sensor, values: Array) -> Innovation | None:
        """What a reading ``values`` says; None if S is not positive definite or the result is not finite."""
        nu = sensor.innovation(values, belief.qpos, belief.qvel)
        jacobian = sensor.jacobian(belief.qpos, belief.qvel)
        cross = jacobian.dot(belief.covariance)
        # LAPACK itself: scipy's and numpy's wrappers take longer than the algebra. The factor L is inverted, as dposv
        # with the many right sides of a large robot would wake the threads of BLAS, which costs milliseconds.
        factor, failed = lapack.dpotrf(cross.dot(jacobian.T) + sensor.noise, lower=1, clean=1, overwrite_a=1)
        if failed:
            return None
        inverse, _ = lapack.dtrtri(factor, lower=1, overwrite_c=1)
        white = inverse.dot(nu)
        nis = float(white.dot(white))
        if not math.isfinite(nis):
            return None
        return Innovation(nis, cross, inverse.T.dot(white), inverse.T.dot(inverse.dot(cross)))

    def apply(self, belief: Belief, sensor: Sensor, innovation: Innovation) -> None:
        """Correct ``belief`` by what ``innovation`` found."""
        nv, gain = self._nv, innovation.gain
        jacobian = sensor.jacobian(belief.qpos, belief.qvel)  # as for the innovation: before the mean moves
        step = innovation.weighted.dot(innovation.cross)
        mujoco.mj_integratePos(self._model, belief.qpos, step[:nv], 1.0)
        belief.qvel += step[nv:]
        rest = self._identity - gain.T.dot(jacobian)
        joseph = rest.dot(belief.covariance).dot(rest.T)
        joseph += gain.T.dot(sensor.noise).dot(gain)
        np.add(joseph, joseph.T, out=belief.covariance)
        belief.covariance *= 0.5
