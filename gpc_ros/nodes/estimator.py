"""Node ``estimator``: the EKF, driven by the arrival of measurements, coasting over short gaps."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any

from gpc_ros.estimation.command_log import CommandLog
from gpc_ros.estimation.ekf import Ekf
from gpc_ros.nodes.covariance import CovariancePublisher
from gpc_ros.nodes.odometry import MeasurementListener, rehearse
from gpc_ros.nodes.ownership import Ownership
from gpc_ros.nodes.running import run
from gpc_ros.nodes.shell import Shell
from gpc_ros.signals import NS_PER_S, Estimate, Health, Measurement
from gpc_ros.statistics import Histogram

_SILENT_PERIODS = 3  # without a measurement for this long, coast
_WARM_UP_TICKS = 50


class Estimator(Shell):
    """One estimate for each measurement; the same again when a measurement comes again."""

    name = "estimator"

    def __init__(self, loop: Any, context: Any) -> None:
        super().__init__(loop, context)
        p = self.value
        self.ekf = self._filter(p)
        self.commands = CommandLog(round(p.actuation_delay_s * NS_PER_S))
        self.time_used = Histogram()
        self._filtered: Estimate | None = None  # of the last measurement
        self._last: Estimate | None = None  # sent last, coasting or not
        self._waiting: Measurement | None = None
        self._arrived_ns = 0
        self._coasted = 0
        self._publisher = self.publisher("state_estimate")
        self.parameters.on_change(lambda new: loop.post(partial(self._configure, new)), check=self._filter)
        self._commander = Ownership(self, "command")
        self.on_data("command", self._on_command)  # first: it is in force before the measurement that follows it
        MeasurementListener(self, self._consider)
        if not p.lockstep:
            loop.every(p.period_ns, self._coast)
        CovariancePublisher(self, lambda: self._last)

    def warm_up(self) -> None:
        """A filter of its own takes a few made-up measurements."""
        p, ekf = self.value, self._filter(self.value)
        for measurement in rehearse(self.task, self.codec, p.period_ns, _WARM_UP_TICKS):
            estimate = ekf.update(measurement)
            ekf.predict(estimate.stamp_ns + p.period_ns)
            self.codec.encode_estimate(estimate)

    def _filter(self, parameters: Any) -> Ekf:
        return Ekf(self.task.model, parameters, parameters.period_ns)

    def _configure(self, parameters: Any) -> None:
        """A filter with the new parameters starts anew, from the next measurement."""
        self.ekf = self._filter(parameters)
        self.commands.delay_ns = round(parameters.actuation_delay_s * NS_PER_S)

    def _on_command(self, data: bytes, info: Any) -> None:
        if not self._commander.admits(info):
            return
        self.commands.add(self.codec.decode_command(data))
        if self._waiting is not None:
            self._consider(self._waiting)

    def _consider(self, measurement: Measurement) -> None:
        last = self._filtered
        if last is not None and (measurement.stamp_ns, measurement.epoch) == (last.stamp_ns, last.epoch):
            self._arrived_ns, self._coasted = time.monotonic_ns(), 0
            self._send(last)  # asked again: the same answer
            return
        known = last is None or measurement.epoch != last.epoch or self.commands.has(last.stamp_ns)
        if self.value.lockstep and not known:
            self._waiting = measurement  # the command between the two is still on its way
            return
        self._waiting = None
        self._update(measurement)

    def _update(self, measurement: Measurement) -> None:
        begin_ns = time.monotonic_ns()
        since_ns = self._filtered.stamp_ns if self._filtered else measurement.stamp_ns
        now_ns = self.node.get_clock().now().nanoseconds if self.value.refuse_future else None
        estimate = self.ekf.update(measurement, self.commands.since(since_ns), now_ns=now_ns)
        self.time_used.add(time.monotonic_ns() - begin_ns)
        self._arrived_ns, self._coasted = begin_ns, 0
        self._filtered = estimate
        self._send(estimate)
        if self.ekf.last_refusal:
            self.say("warn", f"measurement refused: {self.ekf.last_refusal}", key="refused")
            self.ekf.last_refusal = ""

    def _coast(self, lateness_ns: int) -> None:
        """Bridge missing measurements by the model, one estimate per tick that is overdue."""
        filtered = self._filtered
        if filtered is None:
            return
        period_ns = self.value.period_ns
        overdue = (time.monotonic_ns() - self._arrived_ns) // period_ns - _SILENT_PERIODS + 1
        if overdue <= self._coasted:
            return
        self._coasted += 1
        stamp_ns = filtered.stamp_ns + self._coasted * period_ns
        if (estimate := self.ekf.predict(stamp_ns, self.commands.since(filtered.stamp_ns))) is not None:
            self.counts["coasted"] += 1
            self._send(replace(estimate, coasted=True))

    def _send(self, estimate: Estimate) -> None:
        self._last = estimate
        self._publisher.publish(self.codec.encode_estimate(estimate))

    def trouble(self) -> str:
        """An estimate that is not to be trusted."""
        last = self._last
        return "" if last is None or last.health is Health.OK else f"estimate {last.health.name.lower()}"

    def figures(self) -> dict[str, object]:
        """Health, consistency, counters, time used."""
        last = self._last
        health = last.health.name.lower() if last else "waiting for joint_states"
        used = {f"update_ms {key}": value for key, value in self.time_used.summary().items()}
        return {"health": health, "nis": last.nis if last else 0.0, **used, "ekf": self.ekf.counters.text()}

    def summary(self) -> dict[str, object]:
        """Time used and counters."""
        return {"update_ms": self.time_used.summary(), "ekf": dict(self.ekf.counters)}


def main() -> int:
    """Entry point."""
    return run([Estimator])


if __name__ == "__main__":
    raise SystemExit(main())
