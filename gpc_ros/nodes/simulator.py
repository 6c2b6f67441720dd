"""Node ``simulator``: the plant behind a clock. Real time by the wall, or in lock-step with the commands."""

from __future__ import annotations

import time
from typing import Any

from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool, Trigger

from gpc_ros.nodes import codec, goals
from gpc_ros.nodes.shell import Shell, run
from gpc_ros.signals import NS_PER_S, Array, Command, Estimate
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
        first_ns = NS_PER_S if p.lockstep else self.node.get_clock().now().nanoseconds
        self.simulation = Simulation(self.task, p, period_ns=p.period_ns, first_stamp_ns=first_ns)
        self.log = RunLog(self.task)
        self.pacing = Pacing(p.command_timeout_s)
        self.paused = False
        self._steps = 0
        self._ticks_wanted = round(p.duration_s * p.rate_hz)
        self._measured = self.publisher("joint_states")
        self._truth = self.publisher("ground_truth")
        self._truth_wanted = False
        self._clock = self.publisher("clock") if p.publish_clock else None
        self._goals = goals.Goals(self, self._on_goal) if self.task.goal else None
        self.parameters.on_change(self.simulation.configure)
        self.on_data("command", self._on_command)
        if self._goals is not None:
            self._goals.publish(self.simulation.goal)
        self._deadline = loop.every(
            _ASK_AGAIN_NS if p.lockstep else round(p.period_ns / p.real_time_factor),
            self._ask if p.lockstep else self._on_deadline,
        )
        self.node.create_service(Trigger, "simulator/reset", self._on_reset)
        self.node.create_service(SetBool, "simulator/pause", self._on_pause)
        self.node.create_service(Trigger, "simulator/step", self._on_step)

    def _on_deadline(self, lateness_ns: int) -> None:
        """Real time: apply the latest command, step, measure; standing still, ask again."""
        if not self.pacing.begun or (self.paused and not self._steps):
            self._ask(lateness_ns)
            return
        self._steps = max(0, self._steps - 1)
        now_ns = time.monotonic_ns()
        self.pacing.woke(now_ns)
        self._advance(self.pacing.command(now_ns))

    def _on_command(self, data: bytes, info: Any) -> None:
        command = self.codec.decode_command(data)
        if not self.exclusive(info, "command"):
            return
        reason = self.pacing.answer(command, self.simulation.stamp_ns, self.simulation.epoch, time.monotonic_ns())
        if reason:
            self.counts[f"command: {reason}"] += 1
        elif self.value.lockstep and command.stamp_ns == self.simulation.stamp_ns and not self.paused:
            self._advance(command)
            while self.simulation.measure() is None and not self.finished.is_set():
                self._advance(command)  # a lost measurement cannot be answered

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

    def _ask(self, lateness_ns: int) -> None:
        """Publish the present measurement; asking again gets the same answer again."""
        del lateness_ns
        simulation = self.simulation
        if self._clock is not None:
            self._clock.publish(Clock(clock=codec.time_message(simulation.stamp_ns)))
        if (measurement := simulation.measure()) is not None:
            self.pacing.asked(measurement.stamp_ns, time.monotonic_ns())
            self._measured.publish(self.codec.encode_measurement(measurement))
        if self._truth_wanted:
            data = simulation.data
            truth = Estimate(simulation.stamp_ns, data.qpos.copy(), data.qvel.copy(), epoch=simulation.epoch)
            self._truth.publish(self.codec.encode_estimate(truth))

    def _begin_epoch(self, why: str) -> None:
        self.log.clear()
        self.log.goal = self.simulation.goal
        if self._goals is not None:
            self._goals.publish(self.simulation.goal)
        self.say("info", f"reset: {why}; epoch {self.simulation.epoch}")

    def _on_goal(self, goal: Array) -> None:
        self.simulation.goal = self.log.goal = goal

    def _on_reset(self, request: Any, response: Any) -> Any:
        def act() -> None:
            self.simulation.reset()
            self._begin_epoch("asked for")

        self.loop.post(act)
        response.success, response.message = True, f"epoch {self.simulation.epoch + 1}"
        return response

    def _on_pause(self, request: Any, response: Any) -> Any:
        self.paused = request.data
        response.success, response.message = True, "paused" if self.paused else "running"
        return response

    def _on_step(self, request: Any, response: Any) -> Any:
        response.success, response.message = self.paused, "one tick" if self.paused else "not paused"
        self._steps += self.paused
        return response

    def figures(self) -> dict[str, object]:
        """Latency, period and real-time figures of the last second and of the run."""
        self._truth_wanted = self._truth.get_subscription_count() > 0
        overruns = self._deadline.overruns if not self.value.lockstep else 0
        return {**self.pacing.figures(), "overruns": overruns, "simulated": self.simulation.counts.text()}

    def summary(self) -> dict[str, object]:
        """The run: ticks, latency, success, cost, digest."""
        overruns = self._deadline.overruns if not self.value.lockstep else 0
        return {**self.pacing.summary(), **self.log.summary(), "overruns": overruns, "digest": self.log.digest}


def main() -> int:
    """Entry point."""
    return run([Simulator])


if __name__ == "__main__":
    raise SystemExit(main())
