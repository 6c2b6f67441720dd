"""Cross-entropy method: mean and spread of the elites (arXiv 2502.13406, eq. 8)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpc_ros.sampling.rules.base import Proposal, UpdateRule
from gpc_ros.signals import Array


class Cem(UpdateRule):
    """g(J) = 1 for the ``elites`` lowest costs, else 0.

    The elites' standard deviation, not below ``minimum_noise``, is that of the next iteration. Each replan begins
    with ``noise`` again.
    """

    def weights(self, proposal: Proposal, candidates: Array, costs: Array) -> Array:
        """Equal weights of the elites (eq. 8)."""
        del proposal, candidates
        elites = np.argsort(costs, kind="stable")[: self.parameters.elites]
        weights = np.zeros(len(costs))
        weights[elites] = 1.0 / len(elites)
        return weights

    def update(self, proposal: Proposal, candidates: Array, weights: Array) -> Proposal:
        """Mean and standard deviation of the elites."""
        elites = candidates[weights > 0]
        floor = self.parameters.minimum_noise * proposal.half_range
        return replace(proposal, mean=elites.mean(axis=0), std=np.maximum(elites.std(axis=0), floor))
