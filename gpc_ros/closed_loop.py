"""The stack without ROS, in lock-step: the same classes in the same order, one tick after the other.

The same seed gives bit-identical runs, here and on ROS with ``gpc up --lockstep``, on however loaded a machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gpc_ros import config, registry
from gpc_ros.control.base import Planner, no_plan
from gpc_ros.control.executive import Executive
from gpc_ros.control.previous import Previous
from gpc_ros.coordinates import Coordinates
from gpc_ros.estimation.base import Estimator
from gpc_ros.estimation.command_log import CommandLog
from gpc_ros.estimation.ekf import Ekf
from gpc_ros.estimation.truth import Truth
from gpc_ros.node_parameters import PARAMETERS, check_together
from gpc_ros.signals import NS_PER_S, Array, Command, Estimate
from gpc_ros.simulation.parameters import EXACT_SENSORS
from gpc_ros.simulation.run_log import RunLog
from gpc_ros.simulation.simulation import Simulation
from gpc_ros.tasks.base import Task

Overrides = Mapping[str, Mapping[str, Any]]
"""Parameters by node and dotted name that stand over those of the robot's file."""


class ClosedLoop:
    """Plant, estimator, planners and executive of one robot."""

    def __init__(self, robot: str, *, overrides: Overrides | None = None, estimator: str = "ekf") -> None:
        given = {name: dict((overrides or {}).get(name, {}), robot=robot) for name in PARAMETERS}
        if estimator == "truth":
            given["simulator"].update(EXACT_SENSORS, measure_velocity=True)
        p: dict[str, Any] = {name: config.load(robot, name, model, **given[name]) for name, model in PARAMETERS.items()}
        check_together(p)
        self.task: Task = registry.load("tasks", robot, Task)()
        self.period_ns: int = p["simulator"].period_ns
        self.simulation = Simulation(self.task, p["simulator"], period_ns=self.period_ns, first_stamp_ns=NS_PER_S)
        self.estimator: Estimator = (
            Truth(self.task.model) if estimator == "truth" else Ekf(self.task.model, p["estimator"], self.period_ns)
        )
        self._coordinates = Coordinates(self.task.model)
        self.commands = CommandLog(round(p["estimator"].actuation_delay_s * NS_PER_S))
        self.executive = Executive(self.task, p["controller"], period_ns=self.period_ns)
        self.planners: dict[str, Planner] = {}
        self._parameters = p
        self._previous = Previous()
        self._command: Command | None = None
        self.log = RunLog(self.task)
        for name in self.executive.wanted:
            self._planner(name)
        self._begin()

    def _begin(self) -> None:
        self.log.clear()
        self.set_goal(self.simulation.goal)

    def _planner(self, name: str) -> Planner:
        """The planner of that name, made when it is first wanted."""
        if name not in self.planners:
            kind: type[Planner] = registry.load("control", name, Planner)
            self.planners[name] = kind.make(self.task, self._parameters)
            self.planners[name].set_goal(self.simulation.goal)
        return self.planners[name]

    def set_goal(self, goal: Array) -> None:
        """Pursue ``goal`` (ng,) from the next tick on, and judge by it."""
        self.simulation.goal = self.log.goal = goal
        for planner in self.planners.values():
            planner.set_goal(goal)

    def run(self, duration_s: float) -> RunLog:
        """Run for ``duration_s`` of simulated time."""
        for _ in range(round(duration_s * NS_PER_S / self.period_ns)):
            self.tick()
        return self.log

    def close(self) -> None:
        """End the planners."""
        for planner in self.planners.values():
            planner.close()

    def tick(self) -> None:
        """Measure, estimate, answer, step."""
        simulation = self.simulation
        if (measurement := simulation.measure()) is not None:
            since_ns = self.executive.stamp_ns or measurement.stamp_ns
            estimate = self.estimator.update(measurement, self.commands.since(since_ns))
            values = self._coordinates.to_tangent(estimate.qpos)  # as on the wire, to the last bit
            estimate = replace(estimate, qpos=self._coordinates.from_tangent(values))
            if self.executive.accept_estimate(estimate, estimate.stamp_ns):
                self._answer(estimate)
        before = simulation.stamp_ns, simulation.data.qpos.copy(), simulation.data.qvel.copy(), simulation.epoch
        simulation.step(self._command)
        if simulation.epoch == before[3]:
            self.log.add(*before[:3], simulation.data.ctrl)
        else:
            self._begin()

    def _answer(self, estimate: Estimate) -> None:
        """Have those plan that are wanted and due, and command."""
        wanted = self.executive.wanted
        self._previous.want(wanted)
        for name in filter(self.executive.due, wanted):
            plan = self._planner(name).plan(estimate, self._previous.of(name, estimate))
            plan = no_plan(estimate, self.task.model.nu, name) if plan is None else plan
            self._previous.add(plan)
            self.executive.accept_plan(plan)
        self._command = self.executive.select(estimate.stamp_ns)
        self.commands.add(self._command)
