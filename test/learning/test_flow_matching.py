"""The loss: plain flow matching, and the weight by how the teacher moved."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from gpc_ros.learning.flow_matching import knot_weights, loss, weight  # noqa: E402

KNOTS, ACTUATORS = 3, 2
OBSERVATION = torch.zeros(1, 1)


class Recording:
    """A policy with a constant velocity, which keeps what it was asked."""

    def __init__(self, velocity: float = 0.0, *, predicts_plan: bool = False) -> None:
        self.value, self.predicts_plan = velocity, predicts_plan

    def velocity(self, plan, observation, time):
        self.plan, self.observation, self.time = plan, observation, time
        return torch.full_like(plan, self.value)


def plans(*rows: list[float]):
    """One plan (1, 1, 2) per row of two numbers, stacked."""
    return torch.tensor(rows).reshape(-1, 1, 2)


def drawn(seed: int, batch: int = 4):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, KNOTS, ACTUATORS, generator=generator) for _ in range(3)]


def test_the_weight_is_that_of_eq_33_by_hand() -> None:
    """From the mean before to the plan is (1, 0), from the noise to the plan (1, 1): 45 degrees."""
    after, before, start = plans([1.0, 1.0]), plans([0.0, 1.0]), plans([0.0, 0.0])
    expected = math.exp(-2.0 * (1.0 - math.sqrt(0.5)))
    assert weight(after, before, start, 2.0).item() == pytest.approx(expected, rel=1e-6)


def test_the_weight_uses_the_mean_before_the_update() -> None:
    """With the mean after it, which is the plan, the teacher would not have moved at all."""
    after, before, start = plans([0.5, 0.0]), plans([0.2, 0.0]), plans([-1.0, 0.0])
    assert weight(after, before, start, 3.0).item() == pytest.approx(1.0)
    assert weight(after, after, start, 3.0).item() == pytest.approx(math.exp(-3.0))


def test_each_sample_has_a_weight_of_its_own() -> None:
    after = plans([1.0, 0.0], [1.0, 0.0], [1.0, 0.0])
    start = torch.zeros_like(after)
    before = plans([0.0, 0.0], [2.0, 0.0], [1.0, 1.0])  # towards the plan, away from it, square to it
    expected = torch.exp(-2.0 * torch.tensor([0.0, 2.0, 1.0]))
    torch.testing.assert_close(weight(after, before, start, 2.0), expected)


def test_only_directions_count() -> None:
    after, before, start = drawn(0)
    found = weight(after, before, start, 1.5)
    torch.testing.assert_close(weight(after, after + 2 * (before - after), start, 1.5), found)
    torch.testing.assert_close(weight(after, before, after + 2 * (start - after), 1.5), found)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_the_loss_is_the_weighted_mean_of_squares_by_hand(gamma: float) -> None:
    after, before, start = plans([1.0, 0.0], [0.0, 1.0]), plans([0.0, 0.0], [0.0, 2.0]), torch.zeros(2, 1, 2)
    time = torch.tensor([[0.25], [0.75]])
    found = loss(Recording(0.5), OBSERVATION, after, before, start, time, gamma=gamma)
    # Errors (0.5 - 1, 0.5 - 0) and (0.5 - 0, 0.5 - 1): mean square 0.25 each; weights 1 and exp(-2 gamma).
    assert found.item() == pytest.approx(0.25 * (1.0 + math.exp(-2.0 * gamma)) / 2)


def test_without_decay_it_is_plain_flow_matching() -> None:
    after, before, start = drawn(1)
    time = torch.rand(4, 1)
    found = loss(Recording(0.3), OBSERVATION, after, before, start, time, gamma=0.0)
    torch.testing.assert_close(found, (0.3 - (after - start)).square().mean())
    torch.testing.assert_close(weight(after, before, start, 0.0), torch.ones(4))
    assert loss(Recording(0.3), OBSERVATION, after, -before, start, time, gamma=0.0) == found


def test_a_predicted_plan_is_judged_by_its_own_error() -> None:
    """At U = t after + (1 - t) start, the plan at the end is U + (1 - t) v."""
    after, before, start = drawn(3)
    time = torch.tensor([[0.0], [0.3], [0.6], [0.99]])
    found = loss(Recording(0.4, predicts_plan=True), OBSERVATION, after, before, start, time)
    at = time.unsqueeze(-1)
    plan = at * after + (1.0 - at) * start + (1.0 - at) * 0.4
    torch.testing.assert_close(found, (plan - after).square().mean())


@pytest.mark.parametrize("time", [0.0, 0.25, 1.0])
def test_the_flow_goes_from_the_noise_to_the_plan(time: float) -> None:
    after, before, start = drawn(2)
    policy = Recording()
    times = torch.full((4, 1), time)
    loss(policy, OBSERVATION, after, before, start, times)
    torch.testing.assert_close(policy.plan, time * after + (1.0 - time) * start)
    assert policy.time is times
    assert policy.observation is OBSERVATION


def test_the_right_velocity_has_no_loss() -> None:
    after, before, start = torch.ones(4, 1, 2), torch.zeros(4, 1, 2), 0.25 * torch.ones(4, 1, 2)
    assert loss(Recording(0.75), OBSERVATION, after, before, start, torch.rand(4, 1), gamma=1.0).item() == 0.0
    assert loss(Recording(-0.75), OBSERVATION, after, before, start, torch.rand(4, 1), gamma=1.0).item() > 0.0


@pytest.mark.parametrize("first", [1.0, 20.0])
@pytest.mark.parametrize("count", [1, 2, 10])
def test_weights_of_knots_fall_geometrically_and_leave_the_mean_of_the_loss(count: int, first: float) -> None:
    weights = knot_weights(count, first)
    torch.testing.assert_close(weights.mean(), torch.tensor(1.0))
    assert count == 1 or weights[0] / weights[-1] == pytest.approx(first)
    torch.testing.assert_close(weights[1:-1] ** 2, weights[:-2] * weights[2:])


def test_an_error_counts_by_the_weight_of_its_knot() -> None:
    after, before, start = drawn(0)
    found = loss(Recording(), OBSERVATION, after, before, start, torch.zeros(4, 1), knots=torch.tensor([0.0, 3.0, 0.0]))
    torch.testing.assert_close(found, (after - start)[:, 1].square().mean())
