"""Tsallis-MPPI: between MPPI and CEM (arXiv 2502.13406, eq. 9)."""

from __future__ import annotations

import numpy as np

from gpc_ros.sampling.rules.base import Proposal, UpdateRule, softmax
from gpc_ros.signals import Array


class Tsallis(UpdateRule):
    """g(J) = max(1 - (r - 1) (J - Jmin) / lambda, 0)^(1 / (r - 1)); r = 1 is MPPI, its limit.

    Costs count from the lowest one, so that adding a constant to all changes nothing.
    Uses ``noise``, ``temperature`` and ``tsallis_r``.
    """

    def weights(self, proposal: Proposal, candidates: Array, costs: Array) -> Array:
        """Weights of eq. 9."""
        del proposal, candidates
        excess = (costs - costs.min()) / self.parameters.temperature
        order = self.parameters.tsallis_r - 1.0
        if order == 0.0:
            return softmax(-excess)
        with np.errstate(divide="ignore"):  # log 0: weight 0
            return softmax(np.log1p(-np.minimum(order * excess, 1.0)) / order)
