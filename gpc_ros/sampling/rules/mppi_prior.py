"""MPPI against a Gaussian prior of mean zero, which prices effort."""

from __future__ import annotations

from gpc_ros.sampling.rules.base import Proposal, UpdateRule, softmax
from gpc_ros.signals import Array


class MppiPrior(UpdateRule):
    """Importance-weighted MPPI: the target is N(0, S) exp(-J / lambda), the candidates are V = U + eps from N(U, S).

    log g = -J / lambda - U^T S^-1 eps, eps being the noise that was really applied, after clipping.
    Uses ``noise`` and ``temperature``.
    """

    def weights(self, proposal: Proposal, candidates: Array, costs: Array) -> Array:
        """Weights of eq. 6 times the likelihood ratio of prior and sampling distribution."""
        prior = ((candidates - proposal.mean) * (proposal.mean / proposal.std**2)).sum(axis=(1, 2))
        return softmax(-costs / self.parameters.temperature - prior)
