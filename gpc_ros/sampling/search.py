"""One replan: sample and update, then polish. Stateless between replans.

Letters: K knots, N candidates, S seeds, nu actuators.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import field_validator

from gpc_ros import registry
from gpc_ros.config import parameter
from gpc_ros.errors import UnknownName
from gpc_ros.sampling.evaluation import Costs, Evaluator
from gpc_ros.sampling.polish import LEAST_DAMPING
from gpc_ros.sampling.rules.base import Proposal, RuleParameters, UpdateRule, effective_sample_size
from gpc_ros.signals import Array


class SearchParameters(RuleParameters):
    """Settings of the search; those of the update rules are inherited."""

    rule: str = parameter("predictive_sampling", "update rule")
    samples: int = parameter(16, "candidates drawn per iteration, the nominal plan included", ge=1, le=10_000)
    iterations: int = parameter(1, "updates per replan", ge=1, le=100)
    polish: int = parameter(1, "Gauss-Newton steps after the last update; 0: none", ge=0, le=20)
    perturbation: float = parameter(
        0.01,
        "step of the polish's differences: smaller for plants that amplify what is done to them, larger with contacts",
        unit="of half the ctrlrange",
        gt=0,
        le=1,
    )
    damping: float = parameter(
        LEAST_DAMPING,
        "least factor of the polish's steps: smaller finds the optimum of plans whose curvatures lie decades apart",
        unit="of the largest curvature",
        gt=0,
        lt=1,
    )
    margin: float = parameter(
        0.3,
        "with a polish: share by which another plan must be cheaper than the nominal to be polished instead",
        ge=0,
        le=1,
    )
    keep_best: bool = parameter(True, "plan with the best candidate seen, not with the mean of an averaging rule")

    @field_validator("rule")
    @classmethod
    def _known(cls, rule: str) -> str:
        if rule not in (valid := registry.names("sampling.rules")):
            raise ValueError(str(UnknownName("update rule", rule, valid)))
        return rule


class Kind(enum.IntEnum):
    """Where a plan comes from; ``best_kind`` in the figures of a plan."""

    NOMINAL = 0  # the last plan, shifted
    SAMPLE = 1
    SEED = 2
    MEAN = 3  # of the update rule
    POLISH = 4


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan that was rolled out: ``knots`` (K, nu), what it costs, its terms' ``shares``, and where it comes from."""

    knots: Array
    cost: float
    shares: Array
    kind: Kind


class Search:
    """One replan: what was found so far, and its figures."""

    def __init__(
        self,
        parameters: SearchParameters,
        evaluator: Evaluator,
        rule: UpdateRule,
        rng: np.random.Generator,
        stop: Callable[[], bool],
    ) -> None:
        self._parameters, self._evaluator, self._rule = parameters, evaluator, rule
        self._rng, self._stop = rng, stop
        self._nominal: Candidate | None = None
        self._effective_samples = self._spread = self._nominal_cost = float("nan")
        self.tried: tuple[Array, Array] = (np.empty((0, 0, 0)), np.empty(0))
        """The candidates (N, K, nu) of the last iteration and their costs (N,), infinite where the physics diverged."""

    def run(self, nominal: Array, seeds: Array) -> Candidate | None:
        """The plan found from ``nominal`` (K, nu) and ``seeds`` (S, K, nu), or None if nothing is finite."""
        p, evaluator = self._parameters, self._evaluator
        base = seeds.mean(axis=0) if len(seeds) else np.zeros_like(nominal)
        std = np.broadcast_to(p.noise * evaluator.half_range, nominal.shape)
        proposal = Proposal(nominal, std, base, evaluator.half_range)
        best: Candidate | None = None
        for iteration in range(p.iterations):
            if iteration and self._stop():
                break
            samples = self._rule.sample(proposal, p.samples, iteration, p.iterations, self._rng)
            candidates = evaluator.clip(samples)
            if iteration == 0 and len(seeds):
                candidates = np.concatenate([candidates, seeds])
            costs = evaluator.costs(candidates)
            self.tried = candidates, costs.values
            if not np.isfinite(costs.values).any():
                break
            if iteration == 0:
                self._nominal_cost = float(costs.values[0])
                self._nominal = _pick(candidates, costs, 0, Kind.NOMINAL)
            proposal = self._update(proposal, candidates, costs.values)
            best = self._better(best, candidates, costs, iteration)
        if best is None:
            return None
        chosen = self._choose(best, proposal.mean)
        polished = self._polish(self._origin(chosen))
        return polished if polished.cost <= chosen.cost else chosen

    def figures(self, found: Candidate) -> Mapping[str, float]:
        """Figures for diagnostics."""
        shares = dict(zip(self._evaluator.objective.terms, map(float, found.shares), strict=True))
        return shares | {
            "best_kind": float(found.kind),
            "nominal_cost": self._nominal_cost,
            "cost_spread": self._spread,
            "effective_samples": self._effective_samples,
            "rollouts": float(self._evaluator.rolled),
        }

    def _update(self, proposal: Proposal, candidates: Array, costs: Array) -> Proposal:
        finite = np.isfinite(costs)
        if not finite.all():
            candidates, costs = candidates[finite], costs[finite]
        weights = self._rule.weights(proposal, candidates, costs)
        self._effective_samples = effective_sample_size(weights)
        self._spread = float(costs.max() - costs.min())
        return self._rule.update(proposal, candidates, weights)

    def _better(self, best: Candidate | None, candidates: Array, costs: Costs, iteration: int) -> Candidate:
        index = int(np.argmin(costs.values))
        if best is not None and best.cost <= costs.values[index]:
            return best
        kind = Kind.SEED if index >= self._parameters.samples else Kind.SAMPLE
        if index == 0:
            kind = Kind.MEAN if iteration else Kind.NOMINAL
        return _pick(candidates, costs, index, kind)

    def _choose(self, best: Candidate, mean: Array) -> Candidate:
        """Of the best candidate and the rule's mean, which need not have been rolled out, the one to go on with."""
        if np.array_equal(mean, best.knots):
            return best
        costs = self._evaluator.costs(mean[np.newaxis])
        if not np.isfinite(costs.values[0]) or (self._parameters.keep_best and best.cost <= costs.values[0]):
            return best
        return _pick(mean[np.newaxis], costs, 0, Kind.MEAN)

    def _origin(self, chosen: Candidate) -> Candidate:
        """Where to polish from: near a goal chance beats the nominal by little, and would leave its jitter behind."""
        p, nominal = self._parameters, self._nominal
        if nominal is None or not p.keep_best or not chosen.cost > (1.0 - p.margin) * nominal.cost:
            return chosen
        return nominal

    def _polish(self, found: Candidate) -> Candidate:
        p = self._parameters
        for _ in range(p.polish):
            if self._stop():
                break
            tried, costs = self._evaluator.polished(found.knots, p.perturbation, p.damping)
            index = int(np.argmin(costs.values))
            if not costs.values[index] < found.cost:
                break
            found = _pick(tried, costs, index, Kind.POLISH)
        return found


def _pick(knots: Array, costs: Costs, index: int, kind: Kind) -> Candidate:
    return Candidate(knots[index].copy(), float(costs.values[index]), costs.shares[:, index].copy(), kind)
