"""Each variant of the training is one that can be run, and is run as it says."""

from __future__ import annotations

from typing import Any

import pytest
import tiny

pytest.importorskip("torch")

from gpc_ros import config
from gpc_ros.learning import ablation
from gpc_ros.learning.algorithm import Trainer
from gpc_ros.learning.parameters import TrainParameters


@pytest.mark.parametrize("robot", ["pendulum", "cart_pole", "double_cart_pole"])
def test_every_variant_is_a_set_of_parameters_of_its_own(robot: str) -> None:
    found = {name: config.load(robot, "train", TrainParameters, **values) for name, values in ablation.VARIANTS.items()}
    assert found["as configured"] == config.load(robot, "train", TrainParameters)
    for values in ablation.VARIANTS.values():
        assert values.keys() <= TrainParameters.model_fields.keys()


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[TrainParameters]:
    """The parameters of the trainings, which take a moment each."""
    found: list[TrainParameters] = []

    def trainer(task: Any, parameters: TrainParameters, spc: Any) -> Trainer:
        found.append(parameters)
        return Trainer(tiny.ShortPendulum(), parameters, spc)

    load = config.load
    monkeypatch.setattr(ablation, "Trainer", trainer)
    monkeypatch.setattr(
        ablation.config,
        "load",
        lambda robot, node, model, **values: load(robot, node, model, **{**TINY[node], **values}),
    )
    return found


TINY = {"train": dict(tiny.TRAIN), "spc": dict(tiny.SPC)}


def test_variants_are_trained_with_every_seed(trained: list[TrainParameters], monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("as configured", "no polish, as many rollouts")
    monkeypatch.setattr(ablation, "VARIANTS", {name: ablation.VARIANTS[name] for name in names})
    heard: list[tuple[str, int]] = []
    found = ablation.run("pendulum", 2, progress=lambda name, seed, result: heard.append((name, seed)))
    assert heard == [(name, seed) for name in names for seed in (0, 1)]
    assert [p.seed for p in trained] == [0, 1, 0, 1]
    assert [(p.polish, p.samples) for p in trained[1:3]] == [(1, 3), (0, 3 + 1 + 3 + 6)]
    steps = [run["physics_steps"] for runs in found.values() for run in runs]
    assert len(set(steps)) == 1  # as many rollouts
    assert found["as configured"][0].keys() == {"success", "named", "last", "policy_best", "physics_steps", "wall_s"}
