"""Laws of the update rules: closed forms on a quadratic cost, limits, invariances, and mutants that must fail."""

from __future__ import annotations

import numpy as np
import pytest

from gpc_ros import registry
from gpc_ros.errors import UnknownName
from gpc_ros.sampling.rules.base import Proposal, RuleParameters, UpdateRule, effective_sample_size, softmax
from gpc_ros.sampling.rules.cem import Cem
from gpc_ros.sampling.rules.dial import Dial
from gpc_ros.sampling.rules.mppi import Mppi
from gpc_ros.sampling.rules.mppi_base import MppiBase
from gpc_ros.sampling.rules.mppi_prior import MppiPrior
from gpc_ros.sampling.rules.predictive_sampling import PredictiveSampling
from gpc_ros.sampling.rules.tsallis import Tsallis

RULES = registry.names("sampling.rules")
TAU = 0.7
SHAPE = (2, 2)


def proposal(rng: np.random.Generator, *, base: bool = False) -> Proposal:
    prior = rng.normal(size=SHAPE) if base else np.zeros(SHAPE)
    return Proposal(0.5 * rng.normal(size=SHAPE), rng.uniform(0.4, 0.8, SHAPE), prior, np.ones(SHAPE[1]))


class Quadratic:
    """J(u) = u^T H u / 2 - b^T u, for which the expected updates are known."""

    def __init__(self, rng: np.random.Generator) -> None:
        root = rng.normal(size=(4, 4))
        self.H, self.b = root @ root.T / 4 + 0.5 * np.eye(4), rng.normal(size=4)

    def __call__(self, candidates: np.ndarray) -> np.ndarray:
        u = candidates.reshape(len(candidates), -1)
        return 0.5 * np.einsum("ni,ij,nj->n", u, self.H, u) - u @ self.b

    def mppi(self, p: Proposal) -> np.ndarray:
        """Eq. 6: from U towards the optimum, by S (tau H^-1 + S)^-1."""
        U, S, inverse = p.mean.ravel(), np.diag(p.std.ravel() ** 2), np.linalg.inv(self.H)
        return U - S @ np.linalg.inv(TAU * inverse + S) @ (U - inverse @ self.b)

    def with_prior(self, p: Proposal) -> np.ndarray:
        """Mean of N(B, S) exp(-J / tau): does not depend on U."""
        S = np.diag(1 / p.std.ravel() ** 2)
        return np.linalg.solve(S + self.H / TAU, S @ p.base.ravel() + self.b / TAU)


def error(rule: UpdateRule, expected: str, *, base: bool = False, count: int = 400_000) -> float:
    """Relative error of the rule's mean against the closed form."""
    rng = np.random.default_rng(3)
    cost, p = Quadratic(rng), proposal(rng, base=base)
    candidates = rule.sample(p, count, 0, 1, rng)
    found = rule.update(p, candidates, rule.weights(p, candidates, cost(candidates))).mean.ravel()
    exact = getattr(cost, expected)(p)
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def make(rule: type[UpdateRule], **values: float) -> UpdateRule:
    return rule(RuleParameters(**{"temperature": TAU, **values}))


def test_mppi_meets_its_closed_form() -> None:
    assert error(make(Mppi), "mppi") < 0.02


def test_mppi_with_a_prior_meets_its_closed_form() -> None:
    assert error(make(MppiPrior), "with_prior") < 0.02
    assert error(make(MppiBase), "with_prior", base=True) < 0.02
    assert error(make(MppiBase), "with_prior") < 0.02  # a base of zero is the zero-mean prior


class SignFlipped(MppiBase):
    def weights(self, proposal: Proposal, candidates: np.ndarray, costs: np.ndarray) -> np.ndarray:
        pull = (proposal.mean - proposal.base) / proposal.std**2
        prior = ((candidates - proposal.mean) * pull).sum(axis=(1, 2))
        return softmax(-costs / self.parameters.temperature + prior)


class WithoutInverse(MppiBase):
    def weights(self, proposal: Proposal, candidates: np.ndarray, costs: np.ndarray) -> np.ndarray:
        prior = ((candidates - proposal.mean) * (proposal.mean - proposal.base)).sum(axis=(1, 2))
        return softmax(-costs / self.parameters.temperature - prior)


@pytest.mark.parametrize("mutant", [SignFlipped, WithoutInverse, Mppi])
def test_wrong_priors_miss_the_closed_form(mutant: type[UpdateRule]) -> None:
    assert error(make(mutant), "with_prior", base=True) > 0.1


def test_prior_uses_the_noise_that_was_applied() -> None:
    p = Proposal(np.full((1, 1), 0.9), np.ones((1, 1)), np.zeros((1, 1)), np.ones(1))
    clipped = np.array([[[0.9]], [[1.0]]])  # the second was drawn far above, and clipped to 1
    np.testing.assert_allclose(
        make(MppiPrior).weights(p, clipped, np.zeros(2)), softmax(np.array([0.0, -0.9 * 0.1])), atol=1e-12
    )


@pytest.mark.parametrize("rule", [Mppi, Tsallis])
def test_update_is_the_score_of_the_noised_target(rule: type[UpdateRule]) -> None:
    """Proposition 1: U' - U = sigma^2 grad log E g(J(U + sigma eps)); finite differences with common noise."""
    rng = np.random.default_rng(5)
    cost, sigma, U, h = Quadratic(rng), 0.5, 0.3 * rng.normal(size=SHAPE), 1e-3
    noise = rng.standard_normal((400_000, *SHAPE))
    lowest = cost(U + sigma * noise).min()  # Tsallis counts from the lowest; the same zero for all points

    def log_target(at: np.ndarray) -> float:
        costs = cost(at + sigma * noise) - lowest
        g = np.exp(-costs / 2.0) if rule is Mppi else np.maximum(1 - 0.2 * costs / 2.0, 0) ** 5
        return float(np.log(g.mean()))

    score = np.array([(log_target(U + h * e) - log_target(U - h * e)) / (2 * h) for e in np.eye(4).reshape(4, *SHAPE)])
    p = Proposal(U, np.full(SHAPE, sigma), np.zeros(SHAPE), np.ones(2))
    candidates = U + sigma * noise
    made = make(rule, temperature=2.0, tsallis_r=1.2)
    step = (made.update(p, candidates, made.weights(p, candidates, cost(candidates))).mean - U).ravel()
    assert np.linalg.norm(step - sigma**2 * score) < 0.03 * np.linalg.norm(step)


def small(seed: int = 0) -> tuple[Proposal, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return proposal(rng, base=True), rng.normal(size=(20, *SHAPE)), rng.uniform(1, 3, 20)


@pytest.mark.parametrize("name", RULES)
def test_weights_sum_to_one_and_ignore_a_constant_added_to_all_costs(name: str) -> None:
    rule = make(registry.load("sampling.rules", name, UpdateRule))
    p, candidates, costs = small()
    weights = rule.weights(p, candidates, costs)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(), 1.0)
    np.testing.assert_allclose(rule.weights(p, candidates, costs + 1000.0), weights, rtol=1e-9)


@pytest.mark.parametrize("name", RULES)
def test_enormous_costs_do_not_overflow(name: str) -> None:
    rule = make(registry.load("sampling.rules", name, UpdateRule), temperature=1e-6)
    p, candidates, costs = small()
    assert np.isfinite(rule.weights(p, candidates, 1e12 * costs)).all()


@pytest.mark.parametrize("name", RULES)
def test_candidate_zero_is_the_mean_and_the_stream_decides_the_rest(name: str) -> None:
    rule = make(registry.load("sampling.rules", name, UpdateRule))
    p, _, _ = small()
    first, again = (rule.sample(p, 7, 1, 3, np.random.default_rng(4)) for _ in range(2))
    assert first.shape == (7, *SHAPE)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first[0], p.mean)
    assert (first[1:] != p.mean).all()


def test_predictive_sampling_is_the_limit_of_mppi_and_prefers_the_first_of_equals() -> None:
    p, candidates, costs = small()
    ps = make(PredictiveSampling)
    np.testing.assert_allclose(
        ps.weights(p, candidates, costs), make(Mppi, temperature=1e-5).weights(p, candidates, costs), atol=1e-12
    )
    best = ps.update(p, candidates, ps.weights(p, candidates, costs)).mean
    np.testing.assert_array_equal(best, candidates[np.argmin(costs)])
    np.testing.assert_array_equal(ps.weights(p, candidates, np.ones(20)), np.eye(20)[0])


def test_tsallis_becomes_mppi_as_r_goes_to_one() -> None:
    p, candidates, costs = small()
    mppi = make(Mppi).weights(p, candidates, costs)
    np.testing.assert_allclose(make(Tsallis, tsallis_r=1.0).weights(p, candidates, costs), mppi, rtol=1e-12)
    np.testing.assert_allclose(make(Tsallis, tsallis_r=1 + 1e-4).weights(p, candidates, costs), mppi, atol=1e-3)
    assert np.abs(make(Tsallis, tsallis_r=3.0).weights(p, candidates, costs) - mppi).max() > 0.02


def test_tsallis_by_hand() -> None:
    p, candidates, _ = small()
    weights = make(Tsallis, tsallis_r=2.0, temperature=1.0).weights(p, candidates[:3], np.array([5.0, 5.25, 7.0]))
    np.testing.assert_allclose(weights, np.array([1.0, 0.75, 0.0]) / 1.75)


def test_cem_takes_mean_and_floored_spread_of_the_elites() -> None:
    p, candidates, costs = small()
    rule = make(Cem, elites=5, minimum_noise=0.01)
    elites = candidates[np.argsort(costs)[:5]]
    updated = rule.update(p, candidates, rule.weights(p, candidates, costs))
    np.testing.assert_allclose(updated.mean, elites.mean(axis=0))
    np.testing.assert_allclose(updated.std, elites.std(axis=0))
    alike = np.repeat(candidates[:1], 20, axis=0)
    floored = rule.update(p, alike, rule.weights(p, alike, costs)).std
    np.testing.assert_allclose(floored, np.full(SHAPE, 0.01), atol=1e-12)
    assert rule.weights(p, candidates[:3], costs[:3]).tolist() == [1 / 3] * 3  # fewer candidates than elites


def test_dial_without_annealing_is_mppi_and_with_it_cools() -> None:
    p, candidates, costs = small()
    off = make(Dial, anneal_iterations=1e300, anneal_horizon=1e300)
    for rule in (off, make(Mppi)):
        np.testing.assert_array_equal(
            rule.sample(p, 9, 2, 4, np.random.default_rng(1)), make(Mppi).sample(p, 9, 2, 4, np.random.default_rng(1))
        )
    np.testing.assert_array_equal(off.weights(p, candidates, costs), make(Mppi).weights(p, candidates, costs))
    spread = [
        make(Dial, anneal_iterations=0.5, anneal_horizon=0.8).sample(p, 50_000, i, 4, np.random.default_rng(1)).std(0)
        for i in range(4)
    ]
    for i in range(4):
        for k in range(2):
            expected = p.std[k] * np.exp(-i / (0.5 * 4) - (1 - k) / (0.8 * 2))
            np.testing.assert_allclose(spread[i][k], expected, rtol=0.02)


def test_effective_sample_size_counts_equal_weights() -> None:
    assert effective_sample_size(np.full(8, 1 / 8)) == pytest.approx(8)
    assert effective_sample_size(np.eye(8)[3]) == 1


def test_unknown_rule_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(UnknownName, match=r"unknown update rule 'mpi'. Did you mean 'mppi'\? Valid: cem, dial, mppi"):
        registry.load("sampling.rules", "mpi", UpdateRule)
