"""What each part of the training is worth: one thing changed at a time, judged by the policy alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from gpc_ros import config, evaluation, registry
from gpc_ros.errors import GpcError
from gpc_ros.learning.algorithm import Trainer
from gpc_ros.learning.parameters import TrainParameters
from gpc_ros.node_parameters import SpcNodeParameters
from gpc_ros.sampling.polish import DAMPINGS
from gpc_ros.tasks.base import Task

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "as configured": {},
    "loss weight of eq. 33 (gamma 2)": {"gamma": 2.0},
    "no polish, as many rollouts": {"polish": 0},
    "plans not moved in time": {"shift": False},
    "the policy drives": {"teacher_share": 0.0},
    "sampling drives": {"teacher_share": 1.0},
    "sampling drives, no exploration": {"teacher_share": 1.0, "exploration": 0.0},
    "data of one iteration (no replay)": {"replay": 1},
    "policy samples warm-started (level 0.5)": {"warm_start": 0.5},
    "flow started from the plan in force (half of the samples)": {"coupling": 0.5},
    "plans for 4 nearby states each": {"nearby": 4},
    "learned terminal value": {"terminal_value": True},
    "no mirror images": {"mirror": False},
    "no average of the weights": {"average": 0.0},
    "knots joined by lines": {"interpolation": "linear"},
}
"""Changes of the parameters in the section ``train``, by name."""


def run(
    robot: str, seeds: int, *, jobs: int = 1, progress: Callable[[str, int, Mapping[str, Any]], None]
) -> dict[str, list[dict[str, Any]]]:
    """Train every variant with every seed, on ``jobs`` processes of one thread each; results by variant and seed."""
    places = [(name, seed) for name in VARIANTS for seed in range(seeds)]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in VARIANTS}
    results = evaluation.spread(partial(_train, robot, places), range(len(places)), jobs)
    for (name, seed), result in zip(places, results, strict=True):
        found[name].append(result)
        progress(name, seed, result)
    return found


def _train(robot: str, places: list[tuple[str, int]], index: int) -> dict[str, Any]:
    """One training: success of the best and of the last policy by the validation, steps and time."""
    name, seed = places[index]
    parameters = config.load(robot, "train", TrainParameters, **{**VARIANTS[name], "seed": seed, "threads": 1})
    planner = config.load(robot, "spc", SpcNodeParameters)
    task: Task = registry.load("tasks", robot, Task)()
    if not parameters.polish:  # what that saves goes into candidates
        saved = 1 + (parameters.knots or planner.knots) * int(task.model.nu) + len(DAMPINGS)
        parameters = parameters.model_copy(update={"samples": parameters.samples + saved})
    trainer = Trainer(task, parameters, planner)
    while not trainer.done:
        trainer.advance()
    best, last = trainer.best_record(), trainer.records[-1]
    if best is None:
        raise GpcError("variants are told apart by the validation; train.validation_starts must not be 0")
    return {
        "success": best.success,
        "named": best.named,
        "last": last.success,
        "policy_best": last.policy_best,
        "physics_steps": last.physics_steps,
        "wall_s": last.wall_s,
    }
