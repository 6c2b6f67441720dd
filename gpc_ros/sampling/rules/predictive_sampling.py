"""Predictive sampling: the best candidate is the new mean (arXiv 2502.13406, eq. 7)."""

from __future__ import annotations

import numpy as np

from gpc_ros.sampling.rules.base import Proposal, UpdateRule
from gpc_ros.signals import Array


class PredictiveSampling(UpdateRule):
    """g(J) = 1 for the lowest cost, else 0; of equals the first, so that the nominal stays. Uses ``noise``."""

    def weights(self, proposal: Proposal, candidates: Array, costs: Array) -> Array:
        """1 for the first of the best (eq. 7)."""
        del proposal, candidates
        weights = np.zeros(len(costs))
        weights[np.argmin(costs)] = 1.0
        return weights
