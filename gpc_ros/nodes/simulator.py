"""Node ``simulator``: the plant behind a clock. Real time by the wall, or in lock-step with the commands."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from gpc_ros.nodes import goals
from gpc_ros.nodes.ground_truth import GroundTruth
from gpc_ros.nodes.odometry import MeasurementPublisher
from gpc_ros.nodes.ownership import Ownership
from gpc_ros.nodes.plant_services import PlantServices
from gpc_ros.nodes.pushes import PushListener
from gpc_ros.nodes.running import run
from gpc_ros.nodes.shell import Shell
from gpc_ros.signals import NS_PER_S, Array, Command
from gpc_ros.simulation.pacing import Pacing
from gpc_ros.simulation.run_log import RunLog
from gpc_ros.simulation.simulation import Simulation

_ASK_AGAIN_NS = 100_000_000


class Simulator(Shell):
    """Asks (a measurement), is answered (a command), steps. Until the first answer the plant stands still."""

    name = "simulator"

    def __init__(self, loop: Any, context: Any) -> None:
        super().__init__(loop, context)
        p = self.value
        now_ns = self.node.get_clock().now().nanoseconds
        first_ns, epoch = NS_PER_S if p.lockstep else now_ns, now_ns // NS_PER_S  # an epoch above those of before
        self.simulation = Simulation(self.task, p, period_ns=p.period_ns, first_stamp_ns=first_ns, first_epoch=epoch)
        self.log = RunLog(self.task)
        self.pacing = Pacing(p.command_timeout_s)
        self._ticks_wanted = round(p.duration_s * p.rate_hz)
        self._measured = MeasurementPublisher(self)
        self._truth = GroundTruth(self, self.simulation)
        self._goals = goals.Goals(self, lambda goal: loop.post(partial(self._take_goal, goal)), relay=True)
        self.parameters.on_change(lambda new: loop.post(partial(self._configure, new)), check=self.simulation.check)
        self._commander = Ownership(self, "command")
        self.on_data("command", self._on_command)
        period_ns = _ASK_AGAIN_NS if p.lockstep else round(p.period_ns / p.real_time_factor)
        self._deadline = loop.every(period_ns, self._ask if p.lockstep else self._on_deadline)
        self.services = PlantServices(self, self._reset)
        self._pushes = PushListener(self, self.simulation)

    def _on_deadline(self, lateness_ns: int) -> None:
        """Real time: apply the latest command, step, measure; standing still, ask again."""
        unanswered = not self.pacing.begun and self.simulation.measure() is not None
        if unanswered or not self.services.may_step():
            self._ask(lateness_ns)
            return
        now_ns = time.monotonic_ns()
        self.pacing.woke(now_ns)
        self._advance(self.pacing.command(now_ns))

    def _on_command(self, data: bytes, info: Any) -> None:
        command = self.codec.decode_command(data)
        if not self._commander.admits(info):
            return
        reason = self.pacing.answer(command, self.simulation.stamp_ns, self.simulation.epoch, time.monotonic_ns())
        if reason:
            self.counts[f"command: {reason}"] += 1
        elif self.value.lockstep and command.stamp_ns == self.pacing.last_asked_ns and self.services.may_step():
            self._advance(command)
            self._skip_lost(command)

    def _skip_lost(self, command: Command | None) -> None:
        """Lock-step: a measurement that is lost or still on its way cannot be answered."""
        while self.simulation.measure() is None and not self.finished.is_set():
            self._advance(command)

    def _advance(self, command: Command | None) -> None:
        simulation = self.simulation
        if self.finished.is_set():
            return
        before = (simulation.stamp_ns, simulation.data.qpos.copy(), simulation.data.qvel.copy(), simulation.epoch)
        simulation.step(command)
        if simulation.epoch != before[3]:
            self._begin_epoch("the physics became unstable")
        else:
            self.log.add(*before[:3], simulation.data.ctrl)
            self.pacing.ticks += 1
        if self._ticks_wanted and self.pacing.ticks >= self._ticks_wanted:
            self.finished.set()
        self._ask(0)

    def _ask(self, _: int) -> None:
        """Publish the present measurement; asking again gets the same answer again."""
        simulation = self.simulation
        if (measurement := simulation.measure()) is not None:
            self.pacing.asked(measurement.stamp_ns, time.monotonic_ns())
            self._measured.publish(measurement)
        self._truth.publish()

    def start(self) -> None:
        """Tell the goal; in lock-step no deadline carries the plant over a delay of its first measurement."""
        self._tell_goal()
        if self.value.lockstep:
            self.loop.post(lambda: self._skip_lost(None))

    def _configure(self, parameters: Any) -> None:
        self.simulation.configure(parameters)
        self._tell_goal()

    def _reset(self) -> None:
        self.simulation.reset()
        self._begin_epoch("asked for")
        if self.value.lockstep:
            self._skip_lost(None)
        self._ask(0)

    def _begin_epoch(self, why: str) -> None:
        self.log.clear()
        self.pacing.begin_epoch()
        self._tell_goal()
        self.say("info", f"reset: {why}; epoch {self.simulation.epoch}")

    def _tell_goal(self) -> None:
        self.log.goal = self.simulation.goal
        self._goals.publish(self.simulation.goal)

    def _take_goal(self, goal: Array) -> None:
        self.simulation.goal = self.log.goal = goal

    def figures(self) -> dict[str, object]:
        """Latency, period and counters of the run so far, the goal, the last push."""
        return {
            **self.pacing.figures(),
            **self._goals.figures(self.simulation.goal) | self._pushes.figures(),
            "overruns": self._deadline.overruns,
            "simulated": self.simulation.counts.text(),
        }

    def summary(self) -> dict[str, object]:
        """The run: ticks, latency, success, cost, digest."""
        more = {"overruns": self._deadline.overruns, "digest": self.log.digest}
        return self.pacing.summary() | self.log.summary() | more


def main() -> int:
    """Entry point."""
    return run([Simulator])


if __name__ == "__main__":
    raise SystemExit(main())
