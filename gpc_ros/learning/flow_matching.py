"""The loss of generative predictive control: flow matching, weighted by how the teacher moved (eq. 31 to 34).

Letters: B batch, K knots, nu actuators, ny observation. Plans are in normalized units.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gpc_ros.learning.networks import FlowPolicy

_SMALLEST_NORM = 1e-8


def weight(after: Tensor, before: Tensor, start: Tensor, gamma: float) -> Tensor:
    """Weight (B,) of each sample, eq. 33: exp(-gamma (1 - cos(U_k - U_{k-1}, U_k - U_0))).

    Args:
        after: U_k (B, K, nu), the teacher's plan.
        before: U_{k-1} (B, K, nu), the plan that the teacher began from.
        start: U_0 (B, K, nu), noise.
        gamma: decay; with 0 every weight is 1: plain flow matching.
    """
    moved, needed = (after - before).flatten(1), (after - start).flatten(1)
    norms = (moved.norm(dim=1) * needed.norm(dim=1)).clamp_min(_SMALLEST_NORM)
    return torch.exp(-gamma * (1.0 - (moved * needed).sum(dim=1) / norms))


def knot_weights(count: int, first: float) -> Tensor:
    """Weights (count,) with mean 1 that fall geometrically, the first one ``first`` times the last one."""
    weights = first ** -torch.linspace(0.0, 1.0, count)
    return weights / weights.mean()


def loss(
    policy: FlowPolicy,
    observation: Tensor,
    after: Tensor,
    before: Tensor,
    start: Tensor,
    time: Tensor,
    *,
    gamma: float = 0.0,
    knots: Tensor | None = None,
) -> Tensor:
    """Mean over the batch of eq. 34, w |v(t U_k + (1 - t) U_0, y, t) - (U_k - U_0)|^2 per component.

    The published eq. 31 prints t U_k - (1 - t) U_0; its sign contradicts eq. 11, which holds. A network that predicts
    the plan is judged by the error of that, which is 1 - t times the velocity's.

    Args:
        policy: gives the velocity.
        observation: y (B, ny), raw.
        after: U_k (B, K, nu).
        before: U_{k-1} (B, K, nu).
        start: U_0 (B, K, nu), noise.
        time: t (B, 1) in [0, 1).
        gamma: decay of the weight.
        knots: weight (K,) of each knot; None: all alike.
    """
    t = time.unsqueeze(-1)
    velocity = policy.velocity(t * after + (1.0 - t) * start, observation, time)
    difference = velocity - (after - start)
    error = (difference * (1.0 - t) if policy.predicts_plan else difference).square().mean(dim=2)
    error = (error if knots is None else error * knots).mean(dim=1)
    if gamma:
        error = error * weight(after, before, start, gamma)
    return error.mean()
