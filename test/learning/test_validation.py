"""How good a policy is by itself."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

torch = pytest.importorskip("torch")

from gpc_ros.learning.validation import Verdict, validate  # noqa: E402
from gpc_ros.sampling.spline import Interpolation, Spline  # noqa: E402
from gpc_ros.tasks.base import Start, States  # noqa: E402
from gpc_ros.tasks.pendulum import Pendulum  # noqa: E402

KNOTS = 3
NAMED = 8  # starts beside the named one


class NearUpright(Pendulum):
    """Starts near the goal, where 2 N m are enough, and hanging by name."""

    episode_s = 2.5

    @property
    def name(self) -> str:
        return "pendulum"

    def reset(self, rng: np.random.Generator) -> Start:
        return Start(np.pi + rng.uniform(-0.2, 0.2, 1), rng.uniform(-0.2, 0.2, 1), np.empty(0))


class Law:
    """A policy that holds one control per observation over the plan."""

    shape, device = (KNOTS, 1), torch.device("cpu")

    def __init__(self, law) -> None:
        self.law, self.starts = law, []

    def sample(self, start, observation, steps: int):
        self.starts.append(start)
        return self.law(observation).reshape(-1, 1, 1).expand(-1, *self.shape).clamp(-1.0, 1.0)


def hold_upright(observation):
    """PD on the angle from upright, whose sine is minus that of the angle."""
    return 20.0 * observation[:, 1] - 6.0 * observation[:, 2]


def judged(policy: Law, task: Pendulum | None = None, *, starts: int = 5, seed: int = 0) -> Verdict:
    task = task or NearUpright()
    spline = Spline(Interpolation.ZERO, KNOTS, 0.3, task.model.opt.timestep)
    return validate(policy, task, spline, starts=starts, flow_steps=1, rng=np.random.default_rng(seed))


def test_a_policy_that_holds_the_pendulum_succeeds_where_it_starts_near() -> None:
    found = judged(Law(hold_upright))
    assert (found.success, found.named) == (1.0, False)  # it cannot swing up
    assert found.cost < 0.1


def test_a_policy_that_does_nothing_fails() -> None:
    found = judged(Law(lambda observation: torch.zeros(len(observation))))
    assert (found.success, found.named) == (0.0, False)
    assert found.cost > 0.5


class UprightByName(NearUpright):
    """Hanging, but for the named start."""

    named_start = "upright"

    def reset(self, rng: np.random.Generator) -> Start:
        return Start(np.zeros(1), np.zeros(1), np.empty(0))


def test_the_named_start_is_judged_by_itself() -> None:
    only_named = judged(Law(hold_upright), UprightByName())
    assert (only_named.success, only_named.named) == (0.0, True)


def test_a_named_start_that_only_chance_holds_has_failed() -> None:
    """Upright and at rest the pendulum stays there without a policy, and nowhere beside."""
    assert not judged(Law(lambda observation: torch.zeros(len(observation))), UprightByName()).named


def test_the_cost_is_the_mean_over_steps_and_random_starts_by_hand() -> None:
    task = NearUpright()
    rng = np.random.default_rng(3)
    rng.random(3 + NAMED)  # which are named: none
    costs = []
    starts = [task.reset(rng) for _ in range(3)]  # the others give way to the named one
    for start in starts:
        qpos, qvel = start.qpos[None], start.qvel[None]
        for _ in range(round(task.episode_s / 0.02)):
            states = States(qpos, qvel)
            ctrl = np.clip(hold_upright(torch.from_numpy(task.observe(states, np.empty(0)))).numpy(), -1, 1)
            costs.append(task.running_cost(states, ctrl[:, None], np.empty(0))[0])
            qpos, qvel = tiny.stepped(task, qpos, qvel, ctrl[0], 1)
    assert judged(Law(hold_upright), starts=3, seed=3).cost == pytest.approx(np.mean(costs), rel=1e-4)


class Ramp(Law):
    """A policy whose plan is always 0, 0.5, 1."""

    def sample(self, start, observation, steps: int):
        self.starts.append(start)
        return torch.linspace(0.0, 1.0, KNOTS).reshape(1, -1, 1).expand(len(start), -1, -1)


def test_plans_start_from_the_last_ones_moved_by_a_step() -> None:
    policy = Ramp(None)
    judged(policy)
    np.testing.assert_array_equal(policy.starts[0], np.zeros((5 + NAMED, KNOTS, 1)))
    moved = np.tile([[0.1], [0.6], [1.0]], (5 + NAMED, 1, 1))  # by 0.02 s of 0.1 s, the end held
    for start in policy.starts[1:]:
        np.testing.assert_allclose(start, moved, atol=1e-6)


def test_the_same_generator_gives_the_same_verdict() -> None:
    assert judged(Law(hold_upright), seed=1) == judged(Law(hold_upright), seed=1)
    assert judged(Law(hold_upright), seed=1) != judged(Law(hold_upright), seed=2)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (Verdict(0.6, False, 9.0), Verdict(0.5, True, 1.0)),  # success first
        (Verdict(0.5, True, 9.0), Verdict(0.5, False, 1.0)),  # then the named start
        (Verdict(0.5, True, 1.0), Verdict(0.5, True, 2.0)),  # then the cost
    ],
)
def test_verdicts_have_an_order(better: Verdict, worse: Verdict) -> None:
    assert better.rank > worse.rank
