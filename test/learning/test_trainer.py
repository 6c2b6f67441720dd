"""Algorithm 1 in slices: the same whatever interrupts it, and its figures are what they are called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

torch = pytest.importorskip("torch")

from gpc_ros.control.plan_log import Pairs  # noqa: E402
from gpc_ros.errors import GpcError  # noqa: E402
from gpc_ros.learning import algorithm, checkpoint  # noqa: E402
from gpc_ros.learning.algorithm import Phase, Trainer  # noqa: E402
from gpc_ros.learning.collection import Replan  # noqa: E402
from gpc_ros.learning.validation import Verdict  # noqa: E402

EVERYTHING = {
    "terminal_value": True,
    "nearby": 2,
    "restart_share": 0.5,
    "settled_s": 0.04,
    "teacher_share": 0.5,
    "stretch_s": 0.1,
    "exploration": 0.2,
    "warm_start": 0.5,
    "coupling": 0.3,
    "coupling_noise": 0.2,
    "gamma": 1.0,
    "replay": 2,
    "iterations": 3,
    "polish": 2,
}
AS_PUBLISHED = {
    "plan_rate_hz": 0.0,
    "shift": False,
    "polish": 0,
    "teacher_share": 0.0,
    "replay": 1,
    "average": 0.0,
    "gamma": 2.0,
    "named_share": 0.0,
    "episode_s": 0.06,
    "validation_starts": 0,
}
SETTINGS = {"everything": EVERYTHING, "as published": AS_PUBLISHED}
REPLANS, CHUNKS = 3, 3


@pytest.fixture(autouse=True)
def _short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(algorithm, "_CHUNK", 5)
    monkeypatch.setattr(algorithm, "_VALUE_STEPS", 10)


def kept(trainer: Trainer, file: Path) -> None:
    checkpoint.write(file, *trainer.save())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Trainer, Path]]:
    """A training that was not interrupted, and the folder of its states before each slice."""
    done: dict[str, tuple[Trainer, Path]] = {}

    def of(name: str) -> tuple[Trainer, Path]:
        if name not in done:
            folder, trainer = tmp_path_factory.mktemp("whole"), tiny.trainer(**SETTINGS[name])
            place = 0
            while not trainer.done:
                kept(trainer, folder / f"{place}.npz")
                trainer.advance()
                place += 1
            kept(trainer, folder / f"{place}.npz")
            done[name] = trainer, folder
        return done[name]

    return of


@pytest.mark.parametrize(
    ("name", "place"),
    [
        *(("everything", place) for place in range(3 * (REPLANS + CHUNKS) + 1)),
        *(("as published", place) for place in (1, 4, 8, 12)),
    ],
)
def test_an_interruption_before_any_slice_changes_nothing(name: str, place: int, whole: Any) -> None:
    expected, folder = whole(name)
    trainer = tiny.trainer(**SETTINGS[name])
    trainer.restore(*checkpoint.read(folder / f"{place}.npz"))
    tiny.finish(trainer)
    tiny.assert_same(trainer, expected)
    for mine, theirs in zip(trainer.records, expected.records, strict=True):
        for field in ("loss", "spc_cost", "policy_cost", "policy_best", "success", "cost", "physics_steps"):
            np.testing.assert_array_equal(getattr(mine, field), getattr(theirs, field))


def test_all_slices_were_interrupted(whole: Any) -> None:
    assert len(list(whole("everything")[1].iterdir())) == 3 * (REPLANS + CHUNKS) + 1
    assert len(list(whole("as published")[1].iterdir())) == 2 * (REPLANS + CHUNKS) + 1


def test_the_seed_decides(whole: Any) -> None:
    expected, _ = whole("everything")
    tiny.assert_same(tiny.finish(tiny.trainer(**EVERYTHING)), expected)
    other = tiny.finish(tiny.trainer(**EVERYTHING, seed=1))
    mine, theirs = tiny.weights(other), tiny.weights(expected)
    assert not torch.equal(mine["policy.network.layers.0.weight"], theirs["policy.network.layers.0.weight"])
    assert other.records[0].spc_cost != expected.records[0].spc_cost


def test_two_threads_give_the_same_result_twice() -> None:
    wide = {"fit_threads": 2, "network": {"hidden": [256, 256]}, "batch": 256}
    tiny.assert_same(tiny.finish(tiny.trainer(**wide)), tiny.finish(tiny.trainer(**wide)))
    assert torch.get_num_threads() == 1


def test_every_replan_draws_anew() -> None:
    trainer, drawn = tiny.trainer(), []
    replan = trainer.collector.replan

    def noted(policy: Any, rng: np.random.Generator) -> Replan:
        drawn.append(np.random.default_rng(rng.bit_generator.seed_seq.entropy).random())
        return replan(policy, rng)

    trainer.collector.replan = noted  # type: ignore[method-assign]
    tiny.finish(trainer)
    assert len(set(drawn)) == len(drawn) == 2 * REPLANS


def test_threads_change_nothing(whole: Any) -> None:
    tiny.assert_same(tiny.finish(tiny.trainer(**EVERYTHING, threads=3)), whole("everything")[0])


@pytest.mark.parametrize("name", SETTINGS)
def test_the_progress_goes_evenly_from_nothing_to_all(name: str) -> None:
    trainer, shares, phases = tiny.trainer(**SETTINGS[name]), [], []
    while not trainer.done:
        shares.append(trainer.fraction)
        phases.append(trainer.progress.phase)
        trainer.advance()
    shares.append(trainer.fraction)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert (np.diff(shares) > 0).all()
    iteration = [Phase.COLLECT] * REPLANS + [Phase.FIT] * CHUNKS
    assert phases == iteration * trainer.parameters.iterations


def test_physics_steps_are_counted() -> None:
    """By hand: 2 robots, 3 replans, 15 steps; 3 drawn, 1 + 2 + 6 of the polish, later 1 + 2 of the policy.

    The polish moves three knots, and rolls out 3/3, 2/3 and 1/3 of the plan for them.
    """
    trainer = tiny.finish(tiny.trainer())
    steps = [2 * 3 * 15 * (3 + 9), 2 * 3 * 15 * (3 + 9 + 3)]
    assert [record.physics_steps for record in trainer.records] == [steps[0], sum(steps)]


def answering(trainer: Trainer, *figures: tuple[list[float], list[float], list[float]]) -> Any:
    """A replan that gives costs of plans, of drawn and of policy candidates, in turn."""
    replan, answers = trainer.collector.replan, iter(figures)

    def answer(policy: Any, rng: np.random.Generator) -> Replan:
        found = replan(policy, rng)
        costs = (np.array(values) for values in next(answers))
        return Replan(found.observation, found.before, found.after, *costs)

    trainer.collector.replan = answer  # type: ignore[method-assign]


def test_figures_are_means_over_all_replans() -> None:
    trainer = tiny.trainer(validation_starts=0)
    while not trainer.progress.iteration:
        trainer.advance()
    inf = np.inf
    answering(
        trainer,
        ([1.0, 2.0], [2.0, 4.0], [1.0, 5.0]),  # the policy is best for the first robot,
        ([1.0, 2.0], [2.0, 6.0], [2.0, 7.0]),  # for none: it has to be better than what was drawn,
        ([3.0, inf], [6.0, inf], [4.0, inf]),  # and for the first one, while the second diverged
    )
    while trainer.progress.phase is Phase.COLLECT:
        trainer.advance()
    record = trainer.records[1]
    assert record.policy_best == pytest.approx(2 / 6)
    assert record.spc_cost == pytest.approx((2 + 4 + 2 + 6 + 6) / 5)
    assert record.policy_cost == pytest.approx((1 + 5 + 2 + 7 + 4) / 5)
    assert record.plan_cost == pytest.approx((1 + 2 + 1 + 2 + 3) / 5)


def test_the_first_iteration_has_no_policy_to_ask() -> None:
    trainer = tiny.finish(tiny.trainer())
    assert np.isnan([trainer.records[0].policy_cost, trainer.records[0].policy_best]).all()
    assert np.isfinite([trainer.records[1].policy_cost, trainer.records[1].policy_best]).all()


@pytest.mark.parametrize(
    ("verdicts", "best"),
    [
        ([Verdict(0.9, True, 1.0), Verdict(0.5, True, 0.5)], 0),
        ([Verdict(0.5, True, 1.0), Verdict(0.9, False, 5.0)], 1),
        ([Verdict(0.9, True, 1.0), Verdict(0.9, True, 1.0)], 0),
        ([Verdict(0.9, True, 1.0), Verdict(0.9, True, 0.9)], 1),
    ],
)
def test_the_best_policy_is_kept(verdicts: list[Verdict], best: int, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[Any] = []

    def validate(policy: Any, *args: Any, **kwargs: Any) -> Verdict:
        judged.append({name: value.clone() for name, value in policy.state_dict().items()})
        return verdicts[len(judged) - 1]

    monkeypatch.setattr(algorithm, "validate", validate)
    trainer = tiny.finish(tiny.trainer())
    assert trainer.best_record() is trainer.records[best]
    for name, value in trainer.best.items():
        assert torch.equal(value, judged[best][name])
    assert [record.success for record in trainer.records] == [verdict.success for verdict in verdicts]


@pytest.mark.parametrize(
    ("enough", "success", "named", "iterations"),
    [(0.9, 0.95, True, 1), (0.9, 0.9, True, 1), (0.9, 0.8, True, 3), (0.9, 1.0, False, 3), (0.0, 1.0, True, 3)],
)
def test_success_enough_ends_the_training(
    enough: float, success: float, named: bool, iterations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(algorithm, "validate", lambda *_, **__: Verdict(success, named, 1.0))
    trainer = tiny.finish(tiny.trainer(enough=enough, iterations=3))
    assert len(trainer.records) == trainer.progress.iteration == iterations


def test_without_validation_the_last_policy_is_the_best() -> None:
    trainer = tiny.finish(tiny.trainer(validation_starts=0))
    assert trainer.best_record() is None
    for name, value in trainer.fit.average.state_dict().items():
        assert torch.equal(trainer.best[name], value)


@pytest.mark.parametrize(("replay", "expected"), [(1, [6, 6, 6]), (2, [6, 12, 12]), (5, [6, 12, 18])])
def test_data_are_kept_for_so_many_iterations(replay: int, expected: list[int]) -> None:
    trainer, rows = tiny.trainer(replay=replay, iterations=3, validation_starts=0), []
    step = trainer.fit.step

    def noted(data: Any, count: int, **options: Any) -> float:
        rows.append(len(data.observation))
        return step(data, count, **options)

    trainer.fit.step = noted  # type: ignore[method-assign]
    tiny.finish(trainer)
    assert rows[::CHUNKS] == expected
    mean = trainer._stacked("observation").mean(axis=0)
    np.testing.assert_allclose(trainer.fit.average.observation_mean, mean, atol=1e-6)


def test_the_data_are_the_replans_in_units_of_the_ctrlrange() -> None:
    trainer, replans = tiny.trainer(nearby=2), []
    replan = trainer.collector.replan

    def noted(*args: Any) -> Replan:
        replans.append(replan(*args))
        return replans[-1]

    trainer.collector.replan = noted  # type: ignore[method-assign]
    while trainer.progress.phase is Phase.COLLECT:
        trainer.advance()
    trainer.advance()
    data = trainer._data
    assert len(data.observation) == 3 * 2 * (1 + 2)
    for name in ("observation", "before", "after"):
        expected = np.concatenate([getattr(each, name) for each in replans])  # the pendulum's range is -1 to 1
        np.testing.assert_allclose(getattr(data, name), expected, atol=1e-6)


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    with pytest.raises(GpcError, match=r"the loss is (nan|inf) in iteration 1; lower train.learning_rate"):
        tiny.finish(tiny.trainer(learning_rate=1e30, gradient_steps=50))


def pairs(count: int) -> Pairs:
    plans = np.full((count, 3, 1), 0.5)
    return Pairs(np.full((count, 3), 7.0), plans, -plans)


@pytest.mark.parametrize(("place", "own"), [(0, 0), (2, 4), (4, 6), (8, 10), (12, 12)])
def test_recorded_pairs_are_learned_with_the_data_there_are(place: int, own: int, tmp_path: Path) -> None:
    """Also after a collection that was cut off: what it has not reached is not learned as if it were data."""
    base = tiny.trainer(replay=2)
    for _ in range(place):
        base.advance()
    kept(base, tmp_path / "base.npz")
    trainer = tiny.trainer(replay=2, iterations=base.progress.iteration + 1)
    trainer.restore(*checkpoint.read(tmp_path / "base.npz"))
    mean = trainer.best["observation_mean"].clone()
    trainer.learn_from(pairs(5))
    trainer.advance()
    observation = trainer._data.observation.numpy()
    recorded = (observation == 7.0).all(axis=1)
    assert (recorded.sum(), (~recorded).sum()) == (5, own)
    assert (observation != 0.0).any(axis=1).all()
    torch.testing.assert_close(trainer._data.after[recorded], torch.full((5, 3, 1), -0.5))
    assert torch.equal(trainer.fit.average.observation_mean, mean)
    tiny.finish(trainer)
    assert [record.iteration for record in trainer.records] == list(range(trainer.progress.iteration))
    assert trainer.records[-1].physics_steps == trainer.collector.physics_steps


JUDGED = [Verdict(0.9, True, 1.0), Verdict(0.5, True, 0.5), Verdict(0.4, False, 2.0)]


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second iteration's policy is worse than the first one's, and the refined one the worst of all."""
    answers = iter(JUDGED)
    monkeypatch.setattr(algorithm, "validate", lambda *args, **kwargs: next(answers))


def refining(trainer: Trainer, tmp_path: Path, count: int = 5) -> Trainer:
    kept(trainer, tmp_path / "base.npz")
    found = tiny.trainer(iterations=trainer.progress.iteration + 1)
    found.restore(*checkpoint.read(tmp_path / "base.npz"))
    found.learn_from(pairs(count))
    return found


def test_a_refinement_begins_with_the_best_policy(judged: None, tmp_path: Path) -> None:
    base = tiny.finish(tiny.trainer())
    last = base.fit.average.state_dict()
    trainer = refining(base, tmp_path)
    for policy in (trainer.fit.policy, trainer.fit.average):
        for name, value in policy.state_dict().items():
            assert torch.equal(value, base.best[name])
    assert any(not torch.equal(value, base.best[name]) for name, value in last.items())
    assert not trainer.fit.optimizer.state_dict()["state"]


def test_what_was_refined_is_the_result_even_where_the_simulator_finds_it_worse(judged: None, tmp_path: Path) -> None:
    base = tiny.finish(tiny.trainer())
    trainer = tiny.finish(refining(base, tmp_path))
    for name, value in trainer.fit.average.state_dict().items():
        assert torch.equal(trainer.best[name], value)
    assert not torch.equal(trainer.best["network.layers.0.weight"], base.best["network.layers.0.weight"])
    assert (trainer.best_record(), trainer.base_record()) == (trainer.records[2], trainer.records[0])
    assert base.base_record() is None


def test_a_refined_policy_can_be_refined_again(tmp_path: Path) -> None:
    once = tiny.finish(refining(tiny.finish(tiny.trainer()), tmp_path))
    again = refining(once, tmp_path, count=3)
    assert again.best_record() is None  # not judged yet
    assert again.base_record() is again.records[2]
    tiny.finish(again)
    assert (again.best_record(), again.base_record()) == (again.records[3], again.records[2])
    assert not torch.equal(again.best["network.layers.0.weight"], once.best["network.layers.0.weight"])
