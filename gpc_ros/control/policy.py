"""The flow policy as a planner: warm-started with the plan in force (arXiv 2502.13406, eq. 35).

Letters: S samples, K knots, nu actuators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gpc_ros import actuators, paths
from gpc_ros.config import Parameters, parameter
from gpc_ros.control.base import Planner
from gpc_ros.control.previous import Grid, warm_start
from gpc_ros.errors import InvalidModel
from gpc_ros.signals import Array, Estimate, Plan, Samples
from gpc_ros.tasks.base import States, Task

if TYPE_CHECKING:
    from gpc_ros.policy.onnx_policy import OnnxPolicy


class PolicyParameters(Parameters):
    """Settings of the flow policy at run time."""

    model_file: str = parameter(
        "", "policy file, empty: the one that comes with the robot; set again, it is loaded again if it has changed"
    )
    device: Literal["auto", "cuda", "cpu"] = parameter("auto", "where the network runs", read_only=True)
    warm_start: float = parameter(1.0, "how far plans start from the last one (1) or from noise (0)", ge=0, le=1)
    policy_rate_hz: float = parameter(0.0, "plans per second; 0: one per estimate", unit="Hz", ge=0, le=1000)
    goal_gain: float = parameter(1.0, "the policy is shown the goal times this", ge=0.1, le=10)
    seed: int = parameter(0, "of the random stream", ge=0)
    seed_samples: int = parameter(16, "samples for seeding at a time", ge=1, le=1000)
    seed_warm_start: float = parameter(0.0, "warm-start level of the samples for seeding", ge=0, le=1)


def shipped(robot: str) -> Path:
    """Where the policy that comes with ``robot`` is, if there is one."""
    return paths.home(robot) / "models" / robot / "policy.onnx"


def policy_file(robot: str, model_file: str) -> Path:
    """``model_file``, or for an empty text the policy that comes with ``robot``.

    Raises:
        InvalidModel: if none comes with it; says how to get one.
    """
    if not model_file and not shipped(robot).is_file():
        raise InvalidModel(
            f"{robot} has no policy: models/{robot}/policy.onnx; train one with gpc train {robot}, "
            "or name one with -p policy_server.model_file=..."
        )
    return Path(model_file) if model_file else shipped(robot)


class Policy(Planner):
    """The flow policy alone: U = flow(U0, y) from U0 = (1 - a) N(0, I) + a U_previous, U in units of the ctrlrange.

    U_previous is the plan in force, moved in time to the estimate's stamp, or without one what moves nothing by
    itself. With a = 1 nothing is random. The random stream is that of (seed, stamp), so a lost tick does not shift it.

    Args:
        task: the robot and what it is to do.
        parameters: of the policy; fixed, see ``renewed``.
        model: the policy's file already loaded; by default it is loaded here.

    Raises:
        InvalidModel: if the file is missing, broken or made for something else.
    """

    def __init__(
        self, task: Task, parameters: PolicyParameters | None = None, *, model: OnnxPolicy | None = None
    ) -> None:
        self._task = task
        self._goal = np.array(task.goal, dtype=float)
        self.parameters = p = parameters or PolicyParameters()
        self.file = policy_file(task.name, p.model_file)
        self._version = _version(self.file)  # before it is read: one that is written meanwhile is a newer one
        self.model = model or _load(task, self.file, p.device)
        self._shape = (self.model.metadata.knots, task.model.nu)
        self._grid = Grid(self._shape[0], self.model.period_ns, self.model.interpolation)

    @classmethod
    def make(cls, task: Task, parameters: Mapping[str, Any]) -> Policy:
        """With the parameters of the node ``policy_server``."""
        return cls(task, parameters["policy_server"])

    def renewed(self, parameters: PolicyParameters) -> Policy:
        """One with ``parameters``, ready to go on at the next tick.

        Another file, or one that was written anew, is loaded and tried out; one that is gone stays in use.

        Raises:
            InvalidModel: as the constructor and ``warm_up``.
        """
        same = parameters.model_file == self.parameters.model_file and _version(self.file) in (None, self._version)
        new = Policy(self._task, parameters, model=self.model if same else None)
        new.set_goal(self._goal)
        if same:
            new._version = self._version
        else:
            new.warm_up()
        return new

    def warm_up(self) -> None:
        """Run the network as the loop will: first calls are slow.

        Raises:
            InvalidModel: if there is no finite plan at the named start.
        """
        for batch in (1, self.parameters.seed_samples):
            self.model.warm_up(batch)
        start = self._task.start(self._task.named_start)
        if self.plan(Estimate(1, start.qpos, start.qvel)) is None:
            raise InvalidModel(f"{self.file}: its plan at the start '{self._task.named_start}' is not finite")

    def set_goal(self, goal: Array) -> None:
        """Take a goal (ng,), in the units of ``Task.goal``."""
        self._goal = np.array(goal, dtype=float)

    def plan(
        self,
        estimate: Estimate,
        previous: Plan | None = None,
        seeds: Array | None = None,
        *,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> Plan | None:
        """Plan from ``estimate`` onwards, as ``Planner.plan`` says; seeds are of no use here."""
        knots = self._draw(estimate, previous, 1, self.parameters.warm_start)
        if not np.isfinite(knots).all():
            return None
        stamp_ns, model = estimate.stamp_ns, self.model
        return Plan(stamp_ns, stamp_ns, model.period_ns, knots[0], model.interpolation, "policy", epoch=estimate.epoch)

    def samples(self, estimate: Estimate, previous: Plan | None = None) -> Samples:
        """``seed_samples`` candidate plans from ``estimate`` onwards; those that are not finite are left out."""
        p, model = self.parameters, self.model
        knots = self._draw(estimate, previous, p.seed_samples, p.seed_warm_start)
        knots = knots[np.isfinite(knots).all(axis=(1, 2))]
        return Samples(estimate.stamp_ns, model.period_ns, knots, model.interpolation, estimate.epoch)

    def _draw(self, estimate: Estimate, previous: Plan | None, count: int, level: float) -> Array:
        """Plans (count, K, nu) [actuator units] at warm-start ``level``; NaN if the estimate is not finite."""
        if not (np.isfinite(estimate.qpos).all() and np.isfinite(estimate.qvel).all()):
            return np.full((count, *self._shape), np.nan)
        knots = warm_start(previous, estimate, self._grid, self._shape[1])
        if knots is None:
            knots = np.tile(actuators.rest(self._task.model, estimate.qpos), (self._shape[0], 1))
        start = np.repeat(self.model.normalized(knots)[np.newaxis], count, axis=0)
        if level < 1.0:
            rng = np.random.default_rng([self.parameters.seed, max(estimate.stamp_ns, 0)])
            start = (1.0 - level) * rng.standard_normal(start.shape) + level * start
        goal = self.parameters.goal_gain * self._goal
        observation = self._task.observe(States(estimate.qpos, estimate.qvel), goal)
        return self.model.plans(start, observation)


def _version(file: Path) -> tuple[int, ...] | None:
    """Differs once ``file`` has been written anew; None if it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _load(task: Task, file: Path, device: Literal["auto", "cuda", "cpu"]) -> OnnxPolicy:
    from gpc_ros.policy.onnx_policy import OnnxPolicy  # here: it takes ONNX Runtime, which no other planner needs

    return OnnxPolicy.load(file, task, device=device)
