"""Evaluation: the same for any number of processes, statistics by their formulas."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from gpc_ros import evaluation
from gpc_ros.closed_loop import ClosedLoop
from gpc_ros.errors import GpcError, InvalidModel, InvalidSignal, UnknownName
from gpc_ros.evaluation import NAMED, Setting, evaluate, run_start

SPC = {"samples": 8}
SHORT = Setting("particle", seed=3, duration_s=0.1, overrides={"spc": SPC})


def test_one_process_or_two_give_the_same() -> None:
    assert evaluate(SHORT, 2, jobs=1) == evaluate(SHORT, 2, jobs=2)


def test_every_start_is_a_run_of_its_own_seed() -> None:
    found = evaluate(SHORT, 3)
    digests = [run["digest"] for run in found["per_start"]] + [found["named_start"]["digest"]]
    assert len(set(digests)) == 4
    later = Setting("particle", seed=4, duration_s=0.1, overrides={"spc": SPC})
    assert run_start(later, 0)["digest"] == digests[1]  # start 1 of seed 3 is start 0 of seed 4
    assert run_start(later, NAMED)["digest"] != digests[3]  # the same start, other noise


def test_a_run_is_that_of_the_closed_loop() -> None:
    overrides = {"spc": {**SPC, "threads": 1}, "simulator": {"seed": 4, "start": "random"}}
    log = ClosedLoop("particle", overrides=overrides).run(0.1)
    found = run_start(SHORT, 1)
    assert found["digest"] == log.digest
    assert found["mean_cost"] == log.summary()["mean_cost"]


def test_without_a_duration_it_runs_for_the_tasks() -> None:
    setting = Setting("particle", estimator="truth", overrides={"controller": {"planner": "hold"}})
    loop = ClosedLoop(
        "particle", overrides={"controller": {"planner": "hold"}, "simulator": {"start": "named"}}, estimator="truth"
    )
    loop.run(loop.task.episode_s)
    assert run_start(setting, NAMED)["digest"] == loop.log.digest


def test_the_estimator_matters() -> None:
    exact = Setting("particle", estimator="truth", seed=3, duration_s=0.1, overrides={"spc": SPC})
    assert run_start(exact, 0)["digest"] != run_start(SHORT, 0)["digest"]


def test_it_holds_what_the_command_line_promises() -> None:
    found = evaluate(SHORT, 2)
    promised = {"robot", "starts", "successes", "success_rate", "mean_cost", "cost_std", "mean_abs_du", "per_start"}
    assert found.keys() >= promised | {"named_start"}
    assert (found["robot"], found["starts"], len(found["per_start"])) == ("particle", 2, 2)
    for run in (*found["per_start"], found["named_start"]):
        assert run.keys() >= {"success", "cost"}


def test_statistics_are_those_of_the_random_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = {NAMED: 100.0, 0: 1.0, 1: 2.0, 2: 6.0}

    def invented(setting: Setting, index: int) -> dict[str, object]:
        cost = costs[index]
        return {"success": cost < 3, "mean_cost": cost, "mean_abs_du": cost / 10, "goal_held_s": 0.0, "digest": ""}

    monkeypatch.setattr(evaluation, "run_start", invented)
    seen: list[int] = []
    found = evaluate(SHORT, 3, progress=lambda index, result: seen.append(index))
    assert seen == [NAMED, 0, 1, 2]
    assert (found["successes"], found["success_rate"]) == (2, pytest.approx(2 / 3))
    assert found["mean_cost"] == pytest.approx(3.0)
    assert found["cost_std"] == pytest.approx(math.sqrt((4 + 1 + 9) / 2))  # of a sample: one degree less
    assert found["mean_abs_du"] == pytest.approx(0.3)
    assert found["named_start"]["cost"] == 100.0
    assert not found["named_start"]["success"]


@pytest.mark.parametrize("starts", [0, 1])
def test_few_starts_have_no_spread(starts: int) -> None:
    found = evaluate(Setting("particle", duration_s=0.02, overrides={"controller": {"planner": "hold"}}), starts)
    assert found["successes"] == 0
    assert len(found["per_start"]) == starts
    assert found["cost_std"] == 0.0 if starts else np.isnan(found["cost_std"])
    assert np.isnan(found["mean_cost"]) == (starts == 0)


def test_an_error_in_another_process_is_the_same_error() -> None:
    with pytest.raises(UnknownName, match="unknown planner 'elbow'"):
        evaluate(Setting("particle", duration_s=0.1, overrides={"controller": {"planner": "elbow"}}), 1, jobs=2)


@pytest.mark.parametrize(
    "error", [GpcError("a"), UnknownName("robot", "elbow", ["arm"]), InvalidSignal("names", "b"), InvalidModel("c")]
)
def test_errors_pass_between_processes_unchanged(error: GpcError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - what multiprocessing does, with our own bytes
    assert (type(again), str(again), again.__dict__) == (type(error), str(error), error.__dict__)
