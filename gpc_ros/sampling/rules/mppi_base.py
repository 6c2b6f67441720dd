"""MPPI against a Gaussian prior around a base plan, such as a policy's mean."""

from __future__ import annotations

from gpc_ros.sampling.rules.base import Proposal, UpdateRule, softmax
from gpc_ros.signals import Array


class MppiBase(UpdateRule):
    """Importance-weighted MPPI: the target is N(B, S) exp(-J / lambda), the candidates are V = U + eps from N(U, S).

    log g = -J / lambda - (U - B)^T S^-1 eps, where B is ``Proposal.base`` and eps the noise that was really applied,
    after clipping. The expected result does not depend on the mean U: near B where J says little.
    Uses ``noise`` and ``temperature``.
    """

    def weights(self, proposal: Proposal, candidates: Array, costs: Array) -> Array:
        """Weights of eq. 6 times the likelihood ratio of prior and sampling distribution."""
        pull = (proposal.mean - proposal.base) / proposal.std**2
        prior = ((candidates - proposal.mean) * pull).sum(axis=(1, 2))
        return softmax(-costs / self.parameters.temperature - prior)
