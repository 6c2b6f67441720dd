"""The data: who drives, from which plan each replan begins, what is noted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny

torch = pytest.importorskip("torch")

from gpc_ros.errors import InvalidParameter  # noqa: E402
from gpc_ros.learning.collection import Collector, Replan, teacher_parameters  # noqa: E402
from gpc_ros.sampling.spline import Interpolation  # noqa: E402
from gpc_ros.tasks.base import Task  # noqa: E402
from gpc_ros.tasks.crane import Crane  # noqa: E402
from gpc_ros.tasks.particle import Particle  # noqa: E402
from gpc_ros.tasks.pendulum import Pendulum  # noqa: E402

PUBLISHED = {
    "plan_rate_hz": 0.0, "shift": False, "polish": 0, "teacher_share": 0.0, "exploration": 0.0, "nearby": 0,
}  # fmt: skip


class Constant:
    """A policy whose plans are all the same, which keeps the starts that it was given."""

    device = torch.device("cpu")

    def __init__(self, value: float = 0.5) -> None:
        self.value = value
        self.starts: list[Any] = []

    def sample(self, start: Any, observation: Any, steps: int) -> Any:
        assert len(start) == len(observation)
        self.starts.append(start)
        return torch.full_like(start, self.value)


def collector(task: Task | None = None, **changes: Any) -> Collector:
    train = tiny.train_parameters(**{"environments": 4, "exploration": 0.0, **changes})
    found = Collector(task or Pendulum(), train, teacher_parameters(train, tiny.spc_parameters()))
    found.begin(np.random.default_rng(0))
    return found


def replans(found: Collector, count: int, policy: Constant | None = None) -> list[Replan]:
    return [found.replan(policy, np.random.default_rng([1, index])) for index in range(count)]


def test_training_has_plans_of_its_own_where_it_wants_them() -> None:
    spc = tiny.spc_parameters(samples=50, polish=0, interpolation="linear", rule="mppi", iterations=5)
    own = {"interpolation": "zero", "samples": 3, "noise": 0.2, "polish": 2, "shift": True}
    as_planner = teacher_parameters(tiny.train_parameters(**own), spc)
    assert {name: getattr(as_planner, name) for name in own} == own
    assert (as_planner.horizon_s, as_planner.knots, as_planner.rule, as_planner.iterations) == (0.3, 3, "mppi", 1)
    longer = teacher_parameters(tiny.train_parameters(horizon_s=0.4, knots=5, goal_gain=1.5), spc)
    assert (longer.horizon_s, longer.knots, longer.goal_gain) == (0.4, 5, 1.5)


@pytest.mark.parametrize(("own", "effective"), [(0.0, 1.2), (1.1, 1.1)])
def test_the_goals_gain_is_the_planners_unless_training_has_its_own(own: float, effective: float) -> None:
    spc = tiny.spc_parameters(goal_gain=1.2)
    assert teacher_parameters(tiny.train_parameters(goal_gain=own), spc).goal_gain == effective


def test_training_has_weights_of_its_own_where_it_wants_them() -> None:
    spc = tiny.spc_parameters(running_weights={"upright": 2.0, "control": 0.5})
    found = teacher_parameters(tiny.train_parameters(running_weights={"control": 0.1}), spc)
    assert found.running_weights == {"upright": 2.0, "control": 0.1}
    with pytest.raises(InvalidParameter, match=r"running_weights.control = -1.0 must not be negative"):
        tiny.train_parameters(running_weights={"control": -1.0})


def test_a_replan_notes_what_was_seen_and_the_plans_before_and_after() -> None:
    found = collector(Particle(), samples=2)
    observation = found.robots.observe()
    (replan,) = replans(found, 1)
    np.testing.assert_array_equal(replan.observation, observation)
    assert replan.before.shape == replan.after.shape == (4, 3, 2)
    np.testing.assert_array_equal(replan.before, np.zeros((4, 3, 2)))
    assert (replan.cost <= replan.drawn).all()
    varied = 30 + 2 * (30 + 20 + 10)  # the plan, and its two variables in each knot from where that begins
    assert found.physics_steps == 4 * (2 * 30 + varied + 6 * 30)


@pytest.mark.parametrize("shift", [True, False])
def test_plans_go_on_from_the_last_ones(shift: bool) -> None:
    first, second = replans(found := collector(shift=shift), 2)
    expected = found.spline.shift(first.after, 0.04) if shift else first.after
    np.testing.assert_array_equal(second.before, expected)
    assert (second.before != first.after).any() == shift


def test_without_a_policy_the_teacher_drives_and_there_are_no_seeds() -> None:
    (replan,) = replans(found := collector(teacher_share=0.0), 1)
    np.testing.assert_array_equal(found.arrays()["plans"], replan.after)
    assert np.isposinf(replan.seed).all()


def test_the_policy_drives_by_the_plan_that_it_makes_from_the_last_one() -> None:
    found, policy = collector(teacher_share=0.0), Constant(0.5)
    first, second = replans(found, 2, policy)
    np.testing.assert_array_equal(found.arrays()["plans"], np.full((4, 3, 1), 0.5))
    np.testing.assert_array_equal(second.before, np.full((4, 3, 1), 0.5))
    assert not np.array_equal(second.after, second.before)
    driving = policy.starts[2]  # the first of the second replan
    np.testing.assert_array_equal(driving.numpy(), np.full((4, 3, 1), 0.5))
    assert np.isfinite(first.seed).all()


class Echo(Constant):
    """A policy that does not move: each plan is where its flow starts."""

    def sample(self, start: Any, observation: Any, steps: int) -> Any:
        return start.clamp(-1.0, 1.0)


def test_samples_drawn_from_noise_do_not_drive() -> None:
    first, second = replans(found := collector(teacher_share=0.0, warm_start=0.0), 2, Echo())
    np.testing.assert_array_equal(first.before, np.zeros((4, 3, 1)))
    np.testing.assert_array_equal(second.before, first.before)
    np.testing.assert_array_equal(found.arrays()["plans"], second.before)


@pytest.mark.parametrize(("level", "noise"), [(0.0, 1.0), (0.25, 0.75), (1.0, 0.0)])
def test_samples_of_the_policy_start_as_warm_as_asked(level: float, noise: float) -> None:
    found, policy = collector(environments=100, policy_samples=4, warm_start=level, teacher_share=0.0), Constant(0.8)
    replans(found, 2, policy)
    drawn = policy.starts[3].numpy()
    assert drawn.shape == (400, 3, 1)
    np.testing.assert_allclose(drawn.mean(), level * 0.8, atol=0.1)
    np.testing.assert_allclose(drawn.std(), noise, atol=0.05)


def test_robots_get_new_goals_within_an_episode() -> None:
    goals = []
    for goal_s in (0.0, 0.4):
        found = collector(Crane(), environments=100, samples=1, polish=0, goal_s=goal_s)
        first, rng = found.robots.goal.copy(), np.random.default_rng(2)
        found.replan(None, rng)
        goals.append((found.robots.goal != first).any(axis=1).mean())
    np.testing.assert_allclose(goals, [0.0, 0.04 / 0.4], atol=0.08)
    assert goals[1] > 0.0


@pytest.mark.parametrize(("settled_s", "share"), [(0.0, 0.0), (0.16, 0.25)])
def test_robots_at_their_goal_begin_anew_after_a_while(settled_s: float, share: float) -> None:
    """A replan takes 0.04 s; every other pendulum stands."""
    found = collector(environments=400, teacher_share=0.0, settled_s=settled_s, named_share=0.0)
    begun = np.tile((0.0, np.pi), 200)
    found.robots.qpos[:, 0], found.robots.qvel[:] = begun, 0.0
    replans(found, 1, Constant(0.1))
    anew = np.abs(found.robots.qpos[:, 0] - begun) > 0.05
    assert not anew[::2].any()
    assert anew[1::2].mean() == pytest.approx(share, abs=0.08)
    (after,) = replans(found, 1, Constant(0.1))
    np.testing.assert_array_equal(after.before[anew], 0.0)  # no plan yet
    assert (after.before[~anew] > 0.0).all()


def test_a_policy_may_only_drive() -> None:
    (replan,) = replans(collector(policy_samples=0), 1, Constant())
    assert np.isfinite(replan.seed).all()


def test_driving_as_published() -> None:
    """Algorithm 1: a replan per physics step, the plan not moved, the policy advancing the simulation."""
    task = Pendulum()
    found, policy = collector(task, **PUBLISHED), Constant(-0.25)
    assert (found.replans, found.robots.period_steps) == (6, 1)  # 0.12 s in steps of 0.02 s
    qpos, qvel = found.robots.qpos.copy(), found.robots.qvel.copy()
    first, second = replans(found, 2, policy)
    np.testing.assert_array_equal(second.before, np.full((4, 3, 1), -0.25))
    by_hand = tiny.stepped(task, qpos, qvel, -0.25, 2)
    np.testing.assert_allclose(found.robots.qpos, by_hand[0], atol=1e-12)
    np.testing.assert_allclose(found.robots.qvel, by_hand[1], atol=1e-12)
    assert found.physics_steps == 2 * 4 * 15 * (3 + 1 + 2)  # drawn, driving, samples; no polish
    assert len(first.observation) == 4


def test_exploration_is_noise_on_the_controls_held_over_a_replan() -> None:
    found = collector(environments=500, exploration=0.2)
    driven: list[np.ndarray] = []
    found.robots.advance = driven.append  # type: ignore[method-assign]
    (replan,) = replans(found, 1)
    noise = driven[0] - replan.after
    np.testing.assert_allclose(noise, np.broadcast_to(noise[:, :1], noise.shape), atol=1e-12)
    assert noise[:, 0].std() == pytest.approx(0.2, rel=0.1)
    assert np.abs(noise[:, 0].mean()) < 0.03
    np.testing.assert_array_equal(found.arrays()["plans"], replan.after)  # the plan itself is not noisy


@pytest.mark.parametrize(
    ("share", "stretch_s"),
    [(0.5, 0.4), (0.2, 0.4), (0.9, 0.4), (0.9, 0.001), (0.1, 0.04)],
    ids=str,
)
def test_the_teacher_has_its_share_of_the_time(share: float, stretch_s: float) -> None:
    """Also where stretches would have to be shorter than a replan."""
    found = collector(environments=2000, teacher_share=share, stretch_s=stretch_s)
    found._taught[:] = True
    rng, shares, changes = np.random.default_rng(0), [], 0
    for _ in range(300):
        before = found._taught
        found._change_drivers(rng)
        shares.append(found._taught.mean())
        changes += (before & ~found._taught).sum()
    assert np.mean(shares[100:]) == pytest.approx(share, abs=0.01)
    if stretch_s == 0.4:  # ten replans
        assert 2000 * np.sum(1.0 - np.array(shares)) / changes == pytest.approx(10.0, rel=0.1)


@pytest.mark.parametrize(("share", "stretch_s"), [(0.3, 0.0), (1.0, 0.4), (0.0, 0.4)])
def test_whole_episodes_have_one_driver(share: float, stretch_s: float) -> None:
    found = collector(environments=1000, teacher_share=share, stretch_s=stretch_s)
    before = found.arrays()["taught"].copy()
    found._change_drivers(np.random.default_rng(0))
    np.testing.assert_array_equal(found.arrays()["taught"], before)
    assert before.mean() == pytest.approx(share, abs=0.05)


def test_nearby_states_are_further_pairs_with_the_same_plan_before() -> None:
    found = collector(nearby=3, nearby_spread=0.1)
    replans(found, 1)
    observation, nominal = found.robots.observe(), found._shifted(found.arrays()["plans"])
    (replan,) = replans(found, 1)
    assert len(replan.observation) == len(replan.before) == len(replan.after) == 4 * (1 + 3)
    np.testing.assert_array_equal(replan.observation[:4], observation)
    np.testing.assert_array_equal(replan.before[4:], np.repeat(nominal, 3, axis=0))
    beside = replan.observation[4:].reshape(4, 3, 3)
    np.testing.assert_allclose((beside[..., :2] ** 2).sum(axis=-1), 1.0)  # cosine and sine of angles
    assert np.std(beside - observation[:, np.newaxis]) > 0.01
    assert len(replan.cost) == 4


def test_a_plan_that_ends_before_the_next_replan_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"train.plan_rate_hz = 2: plans of 0.3 s end before the next"):
        collector(plan_rate_hz=2.0)
    assert collector(plan_rate_hz=1 / 0.3).robots.period_steps == 15
    with pytest.raises(InvalidParameter, match="spc: 40 knots"):
        collector(knots=40)
    assert collector(interpolation="cubic").spline.kind is Interpolation.CUBIC
