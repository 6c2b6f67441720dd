"""Fitting: what the gradient does, the average that follows it, and going on after an interruption."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tiny

torch = pytest.importorskip("torch")

from gpc_ros.learning import fit as module  # noqa: E402
from gpc_ros.learning.fit import Data, Fit  # noqa: E402
from gpc_ros.learning.networks import FlowPolicy  # noqa: E402
from gpc_ros.policy.architecture import Architecture  # noqa: E402

KNOTS = 2


def fit(symmetry: Any = None, *, architecture: Architecture | None = None, **changes: Any) -> Fit:
    torch.manual_seed(0)
    policy = FlowPolicy(architecture or Architecture(hidden=[16]), knots=KNOTS, actuators=1, observation=1)
    values = {"batch": 64, "learning_rate": 0.01, "weight_decay": 0.0, "average": 0.9, **changes}
    return Fit(policy, tiny.train_parameters(**values), mirror=symmetry)


def law(count: int = 256) -> Data:
    """Plans that follow from the observation: (y, -y)."""
    generator = torch.Generator().manual_seed(0)
    observation = 2.0 * torch.rand(count, 1, generator=generator) - 1.0
    after = torch.stack([observation, -observation], dim=1)
    return Data(observation, torch.zeros_like(after), after)


def seed(place: int = 0) -> np.random.SeedSequence:
    return np.random.SeedSequence([0, place])


def state(found: Fit) -> dict[str, Any]:
    return {name: value.clone() for name, value in found.tensors().items()}


def test_it_learns_a_law() -> None:
    found, data = fit(average=0.98), law()
    first = found.step(data, 1, done=0.0, seed=seed(0))
    for place in range(1, 6):
        last = found.step(data, 100, done=place / 6, seed=seed(place))
    assert last < 0.2 * first
    start = torch.zeros(256, KNOTS, 1)
    plans = found.average.sample(start, data.observation, 10)
    assert (plans - data.after).abs().mean() < 0.1


def test_waves_learn_a_finer_law_than_the_observation_alone() -> None:
    losses = {}
    for waves in (0, 32):
        found, data = fit(architecture=Architecture(hidden=[32], waves=waves, wave_scale=3.0)), law()
        data = Data(data.observation, data.before, torch.sign(torch.sin(9.0 * data.after)))
        found.normalize(data.observation)
        losses[waves] = [found.step(data, 100, done=place / 4, seed=seed(place)) for place in range(4)][-1]
    assert losses[32] < 0.5 * losses[0]


@pytest.mark.parametrize("kind", ["mlp", "glu", "cnn"])
def test_a_predicted_plan_learns_the_law_too(kind: str) -> None:
    found, data = fit(architecture=Architecture(kind=kind, hidden=[16], predicts="plan"), average=0.98), law()
    for place in range(6):
        found.step(data, 100, done=place / 6, seed=seed(place))
    plans = found.average.sample(torch.zeros(256, KNOTS, 1), data.observation, 10)
    assert (plans - data.after).abs().mean() < 0.1


def test_a_clipped_gradient_has_the_norm_that_is_allowed() -> None:
    """By plain descent a step is the gradient times the rate."""
    norms = {}
    for clip in (0.0, 1e-3):
        found = fit(clip=clip)
        found.optimizer = torch.optim.SGD(found.policy.parameters(), lr=1.0)
        before = [value.clone() for value in found.policy.parameters()]
        found.step(law(), 1, done=0.0, seed=seed())
        moved = [now - then for now, then in zip(found.policy.parameters(), before, strict=True)]
        rate = found.optimizer.param_groups[0]["lr"]
        norms[clip] = torch.cat([value.flatten() for value in moved]).norm().item() / rate
    assert norms[0.0] > 0.01
    assert norms[1e-3] == pytest.approx(1e-3, rel=1e-3)


def test_the_average_follows_by_the_decay() -> None:
    found, data = fit(average=0.9), law()
    mean = state(found)
    for place in range(5):
        found.step(data, 1, done=0.0, seed=seed(place))
        now = state(found)
        for name, value in found.policy.named_parameters():
            mean[f"average.{name}"] = 0.9 * mean[f"average.{name}"] + 0.1 * value.detach()
            torch.testing.assert_close(now[f"average.{name}"], mean[f"average.{name}"])


def test_without_a_decay_the_policy_itself_is_used() -> None:
    found = fit(average=0.0)
    assert found.average is found.policy
    found.step(law(), 2, done=0.0, seed=seed())


@pytest.mark.parametrize(("done", "expected"), [(0.0, 1e-2), (0.5, 5.5e-3), (1.0, 1e-3)])
def test_the_learning_rate_falls_along_a_cosine_to_the_final_one(done: float, expected: float) -> None:
    found = fit(learning_rate=1e-2, final_learning_rate=1e-3)
    found.step(law(), 1, done=done, seed=seed())
    assert [group["lr"] for group in found.optimizer.param_groups] == [pytest.approx(expected)]
    quarter = fit(learning_rate=1e-2, final_learning_rate=1e-3)
    quarter.step(law(), 1, done=0.25, seed=seed())
    assert quarter.optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 + 9e-3 * (1 + math.sqrt(0.5)) / 2)


def recorded(found: Fit, data: Data, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the loss is asked in one step."""
    asked: dict[str, Any] = {}
    plain = module.loss

    def loss(policy: Any, *tensors: Any, **weights: Any) -> Any:
        asked.update(zip(("observation", "after", "before", "start", "time"), tensors, strict=True), **weights)
        return plain(policy, *tensors, **weights)

    monkeypatch.setattr(module, "loss", loss)
    found.step(data, 1, done=0.0, seed=seed())
    return asked


def test_a_batch_holds_rows_that_belong_together(monkeypatch: pytest.MonkeyPatch) -> None:
    data = law()
    data = Data(data.observation, 0.5 * data.after, data.after)
    asked = recorded(fit(batch=1000, gamma=1.5, first_knot=4.0), data, monkeypatch)
    assert asked["gamma"] == 1.5
    torch.testing.assert_close(asked["knots"], torch.tensor([1.6, 0.4]))
    torch.testing.assert_close(asked["after"][:, 0], asked["observation"])
    torch.testing.assert_close(asked["before"], 0.5 * asked["after"])
    assert asked["time"].shape == (1000, 1)
    assert 0.0 <= asked["time"].min() < 0.05 < 0.95 < asked["time"].max() <= 1.0
    assert asked["start"].std() == pytest.approx(1.0, abs=0.1)
    assert abs(np.corrcoef(asked["start"][:, 0, 0], asked["after"][:, 0, 0])[0, 1]) < 0.1


def test_half_of_the_samples_are_in_the_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Data(torch.full((10, 1), 3.0), torch.full((10, KNOTS, 1), 0.5), torch.ones(10, KNOTS, 1))
    mirrored = fit(batch=2000, mirror=True, symmetry=(-np.eye(1), -np.eye(1)))
    asked = recorded(mirrored, data, monkeypatch)
    flipped = asked["observation"].flatten() < 0.0
    assert flipped.float().mean() == pytest.approx(0.5, abs=0.05)
    sign = torch.where(flipped, -1.0, 1.0)
    torch.testing.assert_close(asked["observation"].flatten(), 3.0 * sign)
    torch.testing.assert_close(asked["before"], 0.5 * sign[:, None, None].expand(-1, KNOTS, 1))
    torch.testing.assert_close(asked["after"], sign[:, None, None].expand(-1, KNOTS, 1))
    for other in (fit(mirror=False, symmetry=(-np.eye(1), -np.eye(1))), fit(mirror=True)):
        assert (recorded(other, data, monkeypatch)["observation"] == 3.0).all()


def test_coupling_starts_a_share_of_the_flows_near_the_plan_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans in force of 100 tell the level of the mix."""
    data = Data(torch.zeros(10, 1), torch.full((10, KNOTS, 1), 100.0), torch.zeros(10, KNOTS, 1))
    start = recorded(fit(batch=4000, coupling=0.3), data, monkeypatch)["start"]
    coupled = (start.abs() > 6.0).all(dim=1).flatten()
    assert coupled.float().mean() == pytest.approx(0.3 * 0.94, abs=0.03)
    levels = start[coupled].mean(dim=1).flatten() / 100.0
    assert levels.mean() == pytest.approx(0.53, abs=0.03)  # evenly from 0.06 on
    assert levels.max() > 0.95
    assert start[~coupled].std() < 4.0
    plain = recorded(fit(batch=4000), data, monkeypatch)["start"]
    assert plain.abs().max() < 6.0


@pytest.mark.parametrize("blur", [0.0, 3.0])
def test_the_plan_in_force_can_be_blurred_where_a_flow_starts_from_it(
    blur: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(1 - s) e + s blur e' of levels s that are uniform: both squares are a third on average."""
    data = Data(torch.zeros(10, 1), torch.zeros(10, KNOTS, 1), torch.zeros(10, KNOTS, 1))
    start = recorded(fit(batch=4000, coupling=1.0, coupling_noise=blur), data, monkeypatch)["start"]
    assert start.std() == pytest.approx(math.sqrt((1.0 + blur**2) / 3.0), rel=0.05)


def test_both_policies_take_the_normalizer_of_the_data() -> None:
    found = fit()
    found.normalize(torch.tensor([[1.0], [3.0]]))
    for policy in (found.policy, found.average):
        assert policy.observation_mean.item() == 2.0
        assert policy.observation_std.item() == pytest.approx(math.sqrt(2.0))


@pytest.mark.parametrize("average", [0.9, 0.0])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_it_goes_on_from_its_tensors_as_if_nothing_had_happened(average: float, place: int) -> None:
    data, whole = law(), fit(average=average)
    cut = fit(average=average)
    for index in range(4):
        if index == place:
            saved, cut = state(cut), fit(average=average, batch=64)
            cut.step(data, 3, done=0.0, seed=seed(99))  # leaves no trace
            cut.restore(saved)
        for each in (whole, cut):
            each.step(data, 5, done=index / 4, seed=seed(index))
    expected = state(whole)
    assert expected.keys() == state(cut).keys()
    for name, value in state(cut).items():
        assert torch.equal(value, expected[name]), name
