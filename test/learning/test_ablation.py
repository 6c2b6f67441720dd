"""Each variant of the training is one that makes a difference, is run as it says, and none is lost by another."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import tiny

torch = pytest.importorskip("torch")

from gpc_ros import config, registry  # noqa: E402
from gpc_ros.errors import GpcError  # noqa: E402
from gpc_ros.learning import ablation, algorithm  # noqa: E402
from gpc_ros.learning.algorithm import Trainer  # noqa: E402
from gpc_ros.learning.parameters import TrainParameters  # noqa: E402
from gpc_ros.node_parameters import SpcNodeParameters  # noqa: E402
from gpc_ros.tasks.base import Task  # noqa: E402
from gpc_ros.tasks.pendulum import Pendulum  # noqa: E402

PARTS = {
    "gamma", "polish", "shift", "teacher_share", "replay", "warm_start", "terminal_value", "plan_rate_hz", "mirror",
    "nearby", "restart_share", "exploration", "network",
}  # fmt: skip


def settings(robot: str, **changes: Any) -> tuple[TrainParameters, SpcNodeParameters, Task]:
    train = config.load(robot, "train", TrainParameters, **changes)
    return train, config.load(robot, "spc", SpcNodeParameters), registry.load("tasks", robot, Task)()


@pytest.mark.parametrize("robot", ["pendulum", "cart_pole", "double_cart_pole", "push_t"])
def test_every_variant_differs_from_the_configuration_and_from_every_other(robot: str) -> None:
    configured, planner, task = settings(robot)
    found = ablation.variants(configured, planner, task)
    assert found["as configured"] == configured
    for (name, mine), (other, its) in itertools.combinations(found.items(), 2):
        assert mine != its, (name, other)
    changed = [
        {key for key, value in p.model_dump().items() if value != getattr(configured, key)} for p in found.values()
    ]
    assert set.union(*changed) >= PARTS - {"mirror" for _ in range(task.mirror() is None)}


@pytest.mark.parametrize(
    ("changes", "names", "absent"),
    [
        ({"teacher_share": 1.0}, ("the policy drives", "sampling and policy take turns"), "sampling drives"),
        ({"teacher_share": 0.0, "stretch_s": 0.5}, ("sampling drives",), "the policy drives"),
        ({"teacher_share": 0.7, "stretch_s": 1.0}, ("sampling drives",), "sampling and policy take turns"),
        ({"gamma": 2.0}, ("no loss weight (gamma 0)",), "loss weight of eq. 33 (gamma 2)"),
        ({"polish": 0}, ("one polish step",), "plans for 4 nearby states each"),  # which come from the polish
        ({"plan_rate_hz": 0.0}, ("data at 20 Hz",), "data at every physics step"),
    ],
)
def test_variants_go_away_from_what_is_configured(
    changes: dict[str, float], names: tuple[str, ...], absent: str
) -> None:
    found = ablation.variants(*settings("cart_pole", **changes))
    assert set(names) <= found.keys()
    assert absent not in found


def test_of_the_network_only_what_is_named_changes() -> None:
    configured, planner, task = settings("cart_pole", network={"hidden": [8, 4], "predicts": "plan"})
    found = ablation.variants(configured, planner, task)
    expected = configured.network.model_copy(update={"predicts": "velocity"})
    assert found["network predicts the velocity"].network == expected
    assert found["gated linear units"].network == configured.network.model_copy(update={"kind": "glu"})


def test_variants_do_as_much_work() -> None:
    """By hand: 20 Hz of 0.01 s steps; a polish step rolls out 1 + 10 + 6."""
    configured, planner, task = settings("cart_pole", plan_rate_hz=20.0, environments=48, samples=6)
    found = ablation.variants(configured, planner, task)
    assert found["data at every physics step"].environments == round(48 / 5)
    assert found["no polish, as many rollouts"].samples == 6 + 1 + 10 + 6
    others = set(found) - {"data at every physics step", "no polish, as many rollouts"}
    assert {(found[name].environments, found[name].samples) for name in others} == {(48, 6)}


def test_every_variant_makes_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with another policy, or its policy was asked for other candidates."""
    monkeypatch.setattr(algorithm, "_VALUE_STEPS", 10)
    configured = tiny.train_parameters(environments=4, samples=1, policy_samples=8, validation_starts=0)
    planner = config.load("pendulum", "spc", SpcNodeParameters, **tiny.SPC)
    ends = {}
    for name, parameters in ablation.variants(configured, planner, tiny.ShortPendulum()).items():
        trainer = tiny.finish(Trainer(tiny.ShortPendulum(), parameters, tiny.spc_parameters()))
        weights = trainer.fit.average.state_dict()["network.layers.0.weight"].numpy()
        ends[name] = np.append(weights, trainer.records[-1].policy_cost)
    assert len(ends) > 10
    for (name, mine), (other, its) in itertools.combinations(ends.items(), 2):
        assert not np.array_equal(mine, its), (name, other)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pendulum's trainings take a moment each, and there are few."""
    load, own = config.load, {"train": dict(tiny.TRAIN), "spc": dict(tiny.SPC)}

    def loaded(robot: str, node: str, model: Any, **values: Any) -> Any:
        return load(robot, node, model, **{**own[node], **values})

    monkeypatch.setattr(ablation.config, "load", loaded)
    monkeypatch.setattr(Pendulum, "episode_s", 0.2)
    monkeypatch.setattr(Pendulum, "success_window_s", 0.1)
    parts = [part for part in ablation._PARTS if {"no polish, as many rollouts", "no exploration"} & part.keys()]
    monkeypatch.setattr(ablation, "_PARTS", parts)


NAMES = ("as configured", "no polish, as many rollouts", "exploration (0.3)")


@pytest.mark.usefixtures("small")
def test_variants_are_trained_with_every_seed() -> None:
    jobs = ablation.jobs_of("pendulum", 2, 1.0)
    assert [(job.variant, job.parameters.seed) for job in jobs] == [(name, seed) for name in NAMES for seed in (0, 1)]
    assert len({str(job.key) for job in jobs}) == 6
    found = list(ablation.run(jobs))
    assert [job for job, _ in found] == jobs
    assert not [result["failed"] for _, result in found if "failed" in result]
    whole, polished = 2 * 3 * 15 * 29, 2 * 3 * 15 * 27  # as many rollouts, two thirds of those over knots
    steps = [result["physics_steps"] for _, result in found]
    assert steps == [polished] * 2 + [whole] * 2 + [polished] * 2
    assert found[0][1].keys() == {"success", "named", "last", "policy_best", "physics_steps", "wall_s"}


@pytest.mark.usefixtures("small")
def test_a_share_of_the_training_is_a_shorter_one() -> None:
    whole, short = (ablation.jobs_of("pendulum", 1, share)[0] for share in (1.0, 0.5))
    assert (short.parameters.environments, whole.parameters.environments) == (1, 2)
    assert short.parameters.iterations == 2  # in the first one there is no policy yet
    assert short.key != whole.key


@pytest.mark.usefixtures("small")
def test_the_key_tells_trainings_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def keys(**changes: Any) -> set[str]:
        load = config.load
        with monkeypatch.context() as patch:
            patch.setattr(config, "load", lambda *args, **values: load(*args, **{**values, **changes}))
            return {str(job.key) for job in ablation.jobs_of("pendulum", 2, 1.0)}

    assert keys() == keys()
    assert len(keys() | keys(knots=4)) == 12
    monkeypatch.setattr(ablation.fingerprint, "of_robot", lambda robot: "another model")
    before = keys()
    monkeypatch.undo()
    assert not before & keys()


@pytest.mark.usefixtures("small")
def test_one_that_fails_ends_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    advance = Trainer.advance

    def failing(self: Trainer) -> None:
        if not self.parameters.polish:
            raise GpcError("the loss is nan in iteration 1") if self.parameters.seed else MemoryError("far\ntoo much")
        advance(self)

    monkeypatch.setattr(Trainer, "advance", failing)
    found = {(job.variant, job.parameters.seed): r for job, r in ablation.run(ablation.jobs_of("pendulum", 2, 1.0))}
    assert found.pop((NAMES[1], 0)) == {"failed": "MemoryError: far too much"}
    assert found.pop((NAMES[1], 1)) == {"failed": "the loss is nan in iteration 1"}
    assert len(found) == 4
    assert all("success" in result for result in found.values())


def test_without_validation_there_is_nothing_to_tell_them_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    load: Callable[..., Any] = config.load
    changes: Mapping[str, Any] = {"validation_starts": 0}
    monkeypatch.setattr(
        config, "load", lambda r, node, m, **v: load(r, node, m, **(changes if node == "train" else {}), **v)
    )
    with pytest.raises(GpcError, match="validation_starts must not be 0"):
        ablation.jobs_of("pendulum", 1, 0.5)


def test_processes_end_with_the_one_that_asked() -> None:
    """As after Ctrl-C; jobs of a robot that is not there end at once."""
    jobs = [ablation.Job("elbow", str(index), tiny.train_parameters(), {"of": index}) for index in range(3)]
    found = {job.variant: result["failed"] for job, result in ablation.run(jobs, processes=2)}
    assert found.keys() == {"0", "1", "2"}
    assert all(words.startswith("unknown robot 'elbow'") for words in found.values())
    results = ablation.run(jobs, processes=2)
    next(results)
    results.close()
    assert multiprocessing.active_children() == []
