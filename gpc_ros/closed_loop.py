"""The stack without ROS, in lock-step: the same classes in the same order, one tick after the other.

The same seed gives bit-identical runs, here and on ROS with ``gpc up --lockstep``, on however loaded a machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpc_ros import config, registry
from gpc_ros.control.base import Planner, no_plan
from gpc_ros.control.executive import HOLD, Executive, plan_divisor
from gpc_ros.control.spc import Spc
from gpc_ros.estimation.base import Estimator
from gpc_ros.estimation.command_log import CommandLog
from gpc_ros.estimation.ekf import Ekf
from gpc_ros.estimation.truth import Truth
from gpc_ros.node_parameters import PARAMETERS, check_together
from gpc_ros.signals import NS_PER_S, Command, Estimate, Plan
from gpc_ros.simulation.run_log import RunLog
from gpc_ros.simulation.simulation import Simulation
from gpc_ros.tasks.base import Task

Overrides = Mapping[str, Mapping[str, Any]]
"""Parameters by node and dotted name that stand over those of the robot's file."""


class ClosedLoop:
    """Plant, estimator, planner and executive of one robot."""

    def __init__(self, robot: str, *, overrides: Overrides | None = None, estimator: str = "ekf") -> None:
        given = {name: dict((overrides or {}).get(name, {}), robot=robot) for name in PARAMETERS}
        if estimator == "truth":
            exact = {"noise.position": 0.0, "noise.velocity": 0.0, "measure_velocity": True}
            given["simulator"].update(exact)
        p: dict[str, Any] = {name: config.load(robot, name, model, **given[name]) for name, model in PARAMETERS.items()}
        check_together(p)
        self.task: Task = registry.load("tasks", robot, Task)()
        self.period_ns: int = p["simulator"].period_ns
        self.simulation = Simulation(self.task, p["simulator"], period_ns=self.period_ns, first_stamp_ns=NS_PER_S)
        self.estimator: Estimator = (
            Truth(self.task.model) if estimator == "truth" else Ekf(self.task.model, p["estimator"], self.period_ns)
        )
        self.commands = CommandLog(round(p["estimator"].actuation_delay_s * NS_PER_S))
        self.executive = Executive(self.task, p["controller"], period_ns=self.period_ns)
        self.planner: Planner | None = None if self.executive.active == HOLD else Spc(self.task, p["spc"])
        self._divisor = plan_divisor(p["spc"].plan_rate_hz, self.period_ns)
        self._command: Command | None = None
        self._plan: Plan | None = None
        self.log = RunLog(self.task)
        self._begin()

    def _begin(self) -> None:
        self.log.clear()
        self.log.goal = self.simulation.goal
        if self.planner is not None:
            self.planner.set_goal(self.simulation.goal)

    def run(self, duration_s: float) -> RunLog:
        """Run for ``duration_s`` of simulated time."""
        for _ in range(round(duration_s * NS_PER_S / self.period_ns)):
            self.tick()
        return self.log

    def tick(self) -> None:
        """Measure, estimate, answer, step."""
        simulation = self.simulation
        if (measurement := simulation.measure()) is not None:
            since_ns = self.executive.stamp_ns or measurement.stamp_ns
            estimate = self.estimator.update(measurement, self.commands.since(since_ns))
            if self.executive.accept_estimate(estimate, estimate.stamp_ns):
                self._answer(estimate)
        before = simulation.stamp_ns, simulation.data.qpos.copy(), simulation.data.qvel.copy(), simulation.epoch
        simulation.step(self._command)
        if simulation.epoch == before[3]:
            self.log.add(*before[:3], simulation.data.ctrl)
        else:
            self._begin()

    def _answer(self, estimate: Estimate) -> None:
        """Plan if that is due, and command."""
        if self.planner is not None and estimate.stamp_ns // self.period_ns % self._divisor == 0:
            plan = self.planner.plan(estimate, self._plan)
            self._plan = no_plan(estimate, self.task.model.nu, "spc") if plan is None else plan
            self.executive.accept_plan(self._plan)
        self._command = self.executive.select(estimate.stamp_ns)
        self.commands.add(self._command)
