"""What each part of the training is worth: one thing changed at a time, judged by the policy alone."""

from __future__ import annotations

import math
import multiprocessing
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from gpc_ros import config, fingerprint, registry
from gpc_ros.config import make
from gpc_ros.errors import GpcError
from gpc_ros.learning.algorithm import Trainer
from gpc_ros.learning.collection import steps_between_replans
from gpc_ros.learning.parameters import TrainParameters
from gpc_ros.ledger import Key
from gpc_ros.node_parameters import SpcNodeParameters
from gpc_ros.policy.architecture import Kind
from gpc_ros.sampling.polish import DAMPINGS
from gpc_ros.tasks.base import Task

AS_CONFIGURED = "as configured"
_PARTS: Sequence[Mapping[str, Mapping[str, Any]]] = (
    {"loss weight of eq. 33 (gamma 2)": {"gamma": 2.0}, "no loss weight (gamma 0)": {"gamma": 0.0}},
    {"no polish, as many rollouts": {"polish": 0}, "one polish step": {"polish": 1}},
    {"plans not moved in time": {"shift": False}, "plans moved in time": {"shift": True}},
    {"sampling drives": {"teacher_share": 1.0}},
    {"the policy drives": {"teacher_share": 0.0}},
    {"sampling and policy take turns": {"teacher_share": 0.5, "stretch_s": 0.5}},
    {"data of one iteration (no replay)": {"replay": 1}, "data of 3 iterations": {"replay": 3}},
    {"policy samples warm-started (level 0.5)": {"warm_start": 0.5}, "policy samples from noise": {"warm_start": 0.0}},
    {"learned terminal value": {"terminal_value": True}, "no learned terminal value": {"terminal_value": False}},
    {"data at every physics step": {"plan_rate_hz": 0.0}, "data at 20 Hz": {"plan_rate_hz": 20.0}},
    {"no mirror images": {"mirror": False}, "mirror images": {"mirror": True}},
    {"plans for 4 nearby states each": {"nearby": 4}, "no plans for nearby states": {"nearby": 0}},
    {"no restarts near states of low cost": {"restart_share": 0.0}, "restarts (share 0.3)": {"restart_share": 0.3}},
    {"no exploration": {"exploration": 0.0}, "exploration (0.3)": {"exploration": 0.3}},
    {
        "network predicts the plan": {"network": {"predicts": "plan"}},
        "network predicts the velocity": {"network": {"predicts": "velocity"}},
    },
    {"gated linear units": {"network": {"kind": "glu"}}, "no gates": {"network": {"kind": "mlp"}}},
)
"""Of each part of the training a change, and the one in its place where that is configured already."""


@dataclass(frozen=True, slots=True)
class Job:
    """One training of a variant; ``key`` is the same for all that would end the same in this version."""

    robot: str
    variant: str
    parameters: TrainParameters
    key: Key


def jobs_of(robot: str, seeds: int, share: float) -> list[Job]:
    """The trainings of every variant with every seed, of ``share`` of the configured robots and iterations.

    Differences show before every variant succeeds: hence not the whole training.

    Raises:
        GpcError: if the robot's training has no validation.
    """
    configured = config.load(robot, "train", TrainParameters, threads=1)
    planner, task = config.load(robot, "spc", SpcNodeParameters), registry.load("tasks", robot, Task)()
    if not configured.validation_starts:
        raise GpcError("variants are told apart by the validation; train.validation_starts must not be 0")
    shorter = {
        "iterations": max(min(configured.iterations, 2), math.ceil(share * configured.iterations)),
        "environments": math.ceil(share * configured.environments),
        "enough": 0.0,
    }
    found = variants(configured.model_copy(update=shorter), planner, task)
    about = {"robot": robot, "model": fingerprint.of_robot(robot)}
    return [
        Job(robot, name, own := parameters.model_copy(update={"seed": seed}), {**about, "train": own.model_dump()})
        for name, parameters in found.items()
        for seed in range(seeds)
    ]


def variants(configured: TrainParameters, planner: SpcNodeParameters, task: Task) -> dict[str, TrainParameters]:
    """``AS_CONFIGURED`` and of each part the first change that makes a difference to it, by name."""
    found = {AS_CONFIGURED: configured}
    for part in _PARTS:
        for name, changes in part.items():
            changed = make(TrainParameters, _merged(configured.model_dump(), changes), "train")
            if configured.network.kind is Kind.CNN and changed.network.kind is not Kind.CNN:
                continue  # another family of networks, not one thing
            if _effect(changed, task) != _effect(configured, task):
                found[name] = _as_much_work(changed, configured, planner, task)
                break
    return found


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` with ``changes``; where both are mappings, only what is named in them."""
    return {**values, **{n: {**values[n], **c} if isinstance(c, Mapping) else c for n, c in changes.items()}}


def _effect(p: TrainParameters, task: Task) -> dict[str, Any]:
    """The parameters, as far as the others and the task let them have an effect."""
    drivers = {1.0: "sampling", 0.0: "policy"}.get(p.teacher_share, "in turns" if p.stretch_s else "one per episode")
    rate = steps_between_replans(p, float(task.model.opt.timestep))
    effective = {"teacher_share": drivers, "stretch_s": None, "plan_rate_hz": rate}
    if not p.polish:
        effective["nearby"] = None
    if task.mirror() is None:
        effective["mirror"] = None
    return {**p.model_dump(), **effective}


def _as_much_work(
    changed: TrainParameters, configured: TrainParameters, planner: SpcNodeParameters, task: Task
) -> TrainParameters:
    """``changed`` with as many rollouts and data as ``configured``: what the polish saves goes into candidates.

    A rollout of a candidate counts like one of the polish's differences, which is the shorter one.
    """
    fair: dict[str, Any] = {}
    if configured.polish and not changed.polish:
        saved = 1 + (configured.knots or planner.knots) * int(task.model.nu) + DAMPINGS
        fair["samples"] = configured.samples + configured.polish * saved
    step_s = float(task.model.opt.timestep)
    longer = steps_between_replans(changed, step_s) / steps_between_replans(configured, step_s)
    fair["environments"] = max(1, round(longer * configured.environments))
    return changed.model_copy(update=fair)


def run(jobs: Sequence[Job], *, processes: int = 1) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Each training with its result, as it ends, on ``processes`` of one thread each; none of them ends the others.

    Raises:
        GpcError: if a process was killed.
    """
    if processes == 1:
        yield from ((job, train(job)) for job in jobs)
        return
    # spawn: a fork would copy thread pools without their threads
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_leave_ctrl_c) as pool:
        found = {pool.submit(train, job): job for job in jobs}
        try:
            for future in as_completed(found):
                yield found[future], future.result()
        except BrokenProcessPool:
            raise GpcError("a training was killed, perhaps for want of memory; the same command goes on") from None
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _leave_ctrl_c() -> None:
    """To the process that ends this one then."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def train(job: Job) -> dict[str, Any]:
    """One training: success of the best and of the last policy by the validation, steps and time; or why it failed."""
    try:
        task: Task = registry.load("tasks", job.robot, Task)()
        trainer = Trainer(task, job.parameters, config.load(job.robot, "spc", SpcNodeParameters))
        while not trainer.done:
            trainer.advance()
    except Exception as error:  # hours of other trainings are not lost by one
        words = " ".join(str(error).split())[:200]
        return {"failed": words if isinstance(error, GpcError) else f"{type(error).__name__}: {words}"}
    best, last = trainer.best_record(), trainer.records[-1]
    assert best is not None  # there is a validation
    return {
        "success": best.success,
        "named": best.named,
        "last": last.success,
        "policy_best": None if math.isnan(last.policy_best) else last.policy_best,  # JSON has no NaN
        "physics_steps": last.physics_steps,
        "wall_s": last.wall_s,
    }
