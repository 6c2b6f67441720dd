"""DIAL: MPPI whose noise is annealed over iterations and over the horizon (arXiv 2409.15610)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpc_ros.sampling.rules.base import Proposal, UpdateRule, softmax
from gpc_ros.signals import Array


class Dial(UpdateRule):
    """Weights of MPPI, and noise that falls.

    Iteration i of I samples knot k of K with ``noise`` times exp(-i / (beta_1 I) - (K - 1 - k) / (beta_2 K)):
    less and less, and less for the near future, which earlier replans have refined already.
    Uses ``noise``, ``temperature``, ``anneal_iterations`` (beta_1) and ``anneal_horizon`` (beta_2).
    """

    def sample(
        self, proposal: Proposal, count: int, iteration: int, iterations: int, rng: np.random.Generator
    ) -> Array:
        """``count`` candidates (N, K, nu) with annealed noise."""
        knots = len(proposal.mean)
        cooling = iteration / (self.parameters.anneal_iterations * iterations)
        nearness = np.arange(knots - 1, -1, -1) / (self.parameters.anneal_horizon * knots)
        std = proposal.std * np.exp(-cooling - nearness)[:, np.newaxis]
        return super().sample(replace(proposal, std=std), count, iteration, iterations, rng)

    def weights(self, proposal: Proposal, candidates: Array, costs: Array) -> Array:
        """Weights of eq. 6."""
        del proposal, candidates
        return softmax(-costs / self.parameters.temperature)
