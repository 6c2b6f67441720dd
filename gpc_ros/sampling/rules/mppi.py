"""Model predictive path integral control (arXiv 2502.13406, eq. 6)."""

from __future__ import annotations

from gpc_ros.sampling.rules.base import Proposal, UpdateRule, softmax
from gpc_ros.signals import Array


class Mppi(UpdateRule):
    """g(J) = exp(-J / lambda). Uses ``noise`` and ``temperature``."""

    def weights(self, proposal: Proposal, candidates: Array, costs: Array) -> Array:
        """Weights of eq. 6."""
        del proposal, candidates
        return softmax(-costs / self.parameters.temperature)
