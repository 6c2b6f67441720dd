"""What an update rule is: draw candidates around a mean, then move the mean by their costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from gpc_ros.config import Parameters, parameter
from gpc_ros.signals import Array


class RuleParameters(Parameters):
    """Settings of the update rules; each rule's docstring names those that it uses."""

    noise: float = parameter(
        0.3, "standard deviation of the candidates around the mean", unit="of half the ctrlrange", gt=0, le=10
    )
    temperature: float = parameter(
        0.1, "lambda of eq. 6 and 9: small follows the best, large averages", unit="cost", gt=0
    )
    elites: int = parameter(8, "best candidates that CEM averages (eq. 8)", ge=1)
    minimum_noise: float = parameter(0.01, "floor of CEM's standard deviation", unit="of half the ctrlrange", ge=0)
    tsallis_r: float = parameter(2.0, "r of eq. 9; 1 is MPPI", ge=1)
    anneal_iterations: float = parameter(0.5, "beta_1 of DIAL: noise falls as exp(-i / (beta_1 iterations))", gt=0)
    anneal_horizon: float = parameter(
        1.0, "beta_2 of DIAL: noise falls towards the present as exp(-(K-1-k) / (beta_2 K))", gt=0
    )


@dataclass(frozen=True, slots=True)
class Proposal:
    """Gaussian over knots: ``mean`` (K, nu) and ``std`` (K, nu), both in actuator units.

    ``base`` (K, nu) is the mean of the prior that MPPI weighs against (zero where no policy gives one).
    ``half_range`` (nu,) is half the ctrlrange, the unit of the parameters that speak of noise.
    """

    mean: Array
    std: Array
    base: Array
    half_range: Array


class UpdateRule(ABC):
    """One way to improve a mean by sampling. Keeps no state: what it learns is in the proposal it returns."""

    def __init__(self, parameters: RuleParameters) -> None:
        self.parameters = parameters

    def sample(
        self, proposal: Proposal, count: int, iteration: int, iterations: int, rng: np.random.Generator
    ) -> Array:
        """``count`` candidates (N, K, nu) [actuator units], not clipped; candidate 0 is the mean itself.

        ``iteration`` counts from 0 to ``iterations`` - 1 within one replan.
        """
        del iteration, iterations
        noise = rng.standard_normal((count, *proposal.mean.shape))
        noise[0] = 0.0
        return proposal.mean + proposal.std * noise

    @abstractmethod
    def weights(self, proposal: Proposal, candidates: Array, costs: Array) -> Array:
        """Normalised weights (N,) g(J) / sum g(J) of ``candidates`` (N, K, nu) with ``costs`` (N,), all finite."""

    def update(self, proposal: Proposal, candidates: Array, weights: Array) -> Proposal:
        """The next proposal: the mean of ``candidates`` (N, K, nu) by their ``weights`` (N,), eq. 5."""
        mean = weights @ candidates.reshape(len(candidates), -1)
        return replace(proposal, mean=mean.reshape(proposal.mean.shape))


def softmax(log_weights: Array) -> Array:
    """Weights (N,) that sum to 1 from their logarithms, without overflow (log-sum-exp); -inf is weight 0."""
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def effective_sample_size(weights: Array) -> float:
    """1 / sum w^2 of normalised ``weights`` (N,): from 1 (one candidate decides) to N (all alike)."""
    return float(1.0 / np.sum(weights * weights))
