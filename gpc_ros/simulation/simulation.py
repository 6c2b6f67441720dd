"""The plant: one period of MuJoCo physics per command."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import mujoco
import numpy as np

from gpc_ros import actuators
from gpc_ros.errors import InvalidParameter
from gpc_ros.signals import NS_PER_S, Array, Command, Measurement
from gpc_ros.simulation import model_error
from gpc_ros.simulation.parameters import SimulationParameters
from gpc_ros.simulation.pushes import Push, Pushes
from gpc_ros.simulation.sensing import NoiseStream, Sensing
from gpc_ros.statistics import Counts
from gpc_ros.tasks.base import Start, Task

_UNSTABLE = (mujoco.mjtWarning.mjWARN_BADQPOS, mujoco.mjtWarning.mjWARN_BADQVEL, mujoco.mjtWarning.mjWARN_BADQACC)


class Simulation:
    """A simulated robot in its task. ``step(command)`` applies a command for one period and measures.

    Only finite values inside the actuators' limits reach the physics, whatever is asked. ``tick`` counts periods,
    ``stamp_ns`` is the time of the present state and never goes back, ``epoch`` counts resets from
    ``first_epoch`` on, which a plant that starts again should choose higher than before.
    """

    def __init__(
        self,
        task: Task,
        parameters: SimulationParameters,
        *,
        period_ns: int,
        first_stamp_ns: int = 0,
        first_epoch: int = 0,
    ) -> None:
        self.task = task
        self.period_ns = period_ns
        self.model = task.load_model()
        model_error.scale(self.model, parameters.model_error)
        self.parameters = parameters
        self.configure(parameters)
        self.data = mujoco.MjData(self.model)
        self.tick = max(first_stamp_ns // period_ns, 1)  # stamp 0 means "no stamp" in ROS
        self.epoch = first_epoch
        self._resets = 0
        self.counts = Counts()
        self.goal = np.array(task.goal, dtype=float)
        self.pushes = Pushes(self.model, period_ns)
        self._sensing = Sensing(self.model, parameters.seed)
        self._disturbance = NoiseStream(parameters.seed, 2, self.model.nv)
        self._low, self._high = self.model.actuator_ctrlrange.T.copy()
        self._servos = actuators.servos(self.model)
        self._pending: deque[Array] = deque()
        self._measurement: Measurement | None = None
        self._place(self._start(0))

    def configure(self, parameters: SimulationParameters) -> None:
        """Take new parameters; takes effect with the next step.

        Raises:
            InvalidParameter: if the loop period is not a whole number of physics steps, or the goal has another size
                than the task's.
        """
        self._substeps = self.substeps(parameters)
        goal = self._goal(parameters)
        if goal is not None and parameters.goal != self.parameters.goal:
            self.goal = goal
        self.parameters = parameters
        self.model.opt.timestep = self.period_ns / NS_PER_S / self._substeps
        self.model.opt.iterations = parameters.solver_iterations or self.task.model.opt.iterations
        self._measurement_delay = round(parameters.measurement_delay_s * NS_PER_S / self.period_ns)
        self._actuation_delay = round(parameters.actuation_delay_s * NS_PER_S / self.period_ns)

    def check(self, parameters: SimulationParameters) -> None:
        """Raise what ``configure`` and the next reset would: InvalidParameter, InvalidModel for an unknown start."""
        self.substeps(parameters)
        self._goal(parameters)
        if parameters.start not in ("random", "named"):
            self.task.start(parameters.start)

    def substeps(self, parameters: SimulationParameters) -> int:
        """Physics steps per loop period.

        Raises:
            InvalidParameter: if that is not a whole number.
        """
        if not parameters.physics_step_s:
            return 1
        substeps = round(self.period_ns / NS_PER_S / parameters.physics_step_s)
        if substeps < 1 or abs(substeps * parameters.physics_step_s * NS_PER_S - self.period_ns) > 1:
            raise InvalidParameter(
                f"physics_step_s = {parameters.physics_step_s}: the loop period {self.period_ns / NS_PER_S} s "
                "must be a whole number of physics steps"
            )
        return substeps

    @property
    def stamp_ns(self) -> int:
        """Time [ns] of the present state."""
        return self.tick * self.period_ns

    @property
    def safe_ctrl(self) -> Array:
        """Command (nu,) when none comes: servos stay where told to be, all else gets zero or the limit next to it."""
        return self._safe(self._told)

    def _safe(self, told: Array) -> Array:
        return np.where(self._servos, told, np.clip(0.0, self._low, self._high))

    @property
    def _told(self) -> Array:
        """The last good command, which may still be on its way."""
        return self._pending[-1] if self._pending else self.data.ctrl.copy()

    def measure(self) -> Measurement | None:
        """The measurement that arrives now; None if it is lost or still on its way."""
        return self._measurement

    def step(self, command: Command | None) -> Measurement | None:
        """Apply ``command`` (None: the safe one) for one period; the measurement that arrives after it."""
        self._pending.append(self._admit(command))
        while len(self._pending) > self._actuation_delay + 1:  # the delay was made shorter
            self._pending.popleft()
        due = len(self._pending) == self._actuation_delay + 1
        self.data.ctrl[:] = self._pending.popleft() if due else self._safe(self.data.ctrl)
        if std := self.parameters.noise.acceleration:
            force = np.empty(self.model.nv)
            mujoco.mj_mulM(self.model, self.data, force, std * self._disturbance.at(self.tick)[0])
            self.data.qfrc_applied[:] = force
        self.pushes.apply(self.data, self.tick)
        mujoco.mj_step(self.model, self.data, self._substeps)
        self.tick += 1
        if any(self.data.warning[kind].number for kind in _UNSTABLE):
            self.counts["unstable"] += 1  # MuJoCo has silently put the plant back to its first state
            self.reset()
        else:
            self._sense()
        return self._measurement

    def push(self, push: Push) -> None:
        """Let ``push`` act from the next step on.

        Raises:
            UnknownName: no such body, or one that does not move; lists those that do.
            InvalidSignal: a force or torque that is not finite.
        """
        self.pushes.add(push, self.tick)

    def reset(self, start: Start | None = None) -> Measurement | None:
        """Begin a new epoch from ``start``, by default as the parameters say; time goes on."""
        start = start or self._start(self._resets + 1)
        self._resets += 1
        self.epoch += 1
        self._place(start)
        return self._measurement

    def _start(self, reset: int) -> Start:
        kind = self.parameters.start
        if kind == "random":
            start = self.task.reset(np.random.default_rng([self.parameters.seed, 3, reset]))
        else:
            start = self.task.start(self.task.named_start if kind == "named" else kind)
        goal = self._goal(self.parameters)
        return start if goal is None else replace(start, goal=goal)

    def _goal(self, parameters: SimulationParameters) -> Array | None:
        """The goal (ng,) that the parameters give, if they do."""
        if not parameters.goal:
            return None
        if len(parameters.goal) != len(self.task.goal):
            names = ", ".join(self.task.goal_names[: len(self.task.goal)]) or "none"
            raise InvalidParameter(f"goal = {parameters.goal}: the numbers of {self.task.name}'s goal are {names}")
        return np.array(parameters.goal, dtype=float)

    def _place(self, start: Start) -> None:
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:], self.data.qvel[:], self.goal = start.qpos, start.qvel, start.goal
        self.data.ctrl[:] = actuators.rest(self.model, start.qpos)
        mujoco.mj_forward(self.model, self.data)
        self._pending.clear()
        self.pushes.clear()
        self._sensing.clear()
        self._sense()

    def _sense(self) -> None:
        self._measurement = self._sensing.measure(
            self.data, self.tick, self.stamp_ns, self.epoch, self.parameters, self._measurement_delay
        )

    def _admit(self, command: Command | None) -> Array:
        if command is None:
            return self.safe_ctrl
        if command.ctrl.shape != (self.model.nu,) or not np.isfinite(command.ctrl).all():
            self.counts["bad command"] += 1
            return self._told
        return np.clip(command.ctrl, self._low, self._high)
