"""From the costs of a candidate in several domains to one cost (arXiv 2502.13406, eq. 37 to 39).

Each measure takes total trajectory costs (D, N) of D equally likely domains and N candidates and gives (N,).
"""

from __future__ import annotations

import enum

import numpy as np

from gpc_ros.signals import Array


class Risk(enum.StrEnum):
    """How costs in several domains become one."""

    MEAN = "mean"
    WORST_CASE = "worst_case"
    CVAR = "cvar"


def aggregate(costs: Array, risk: Risk, *, beta: float = 0.0) -> Array:
    """One cost (N,) per candidate from ``costs`` (D, N); ``beta`` in [0, 1] is used by CVaR alone."""
    if len(costs) == 1:
        return costs[0]
    if risk is Risk.MEAN:
        return costs.mean(axis=0)
    if risk is Risk.WORST_CASE:
        return costs.max(axis=0)
    return cvar(costs, beta)


def cvar(costs: Array, beta: float) -> Array:
    """Conditional value at risk (N,) of ``costs`` (D, N), exactly as eq. 39.

    The infimum over z of E[z + max(J - z, 0) / (1 - beta)] is the mean of the worst share 1 - beta of the
    domains, the domain on the edge counted in part. ``beta`` = 0 is the mean, 1 the worst case (the limit).
    """
    domains = len(costs)
    worst_first = -np.sort(-costs, axis=0)
    tail = max((1.0 - beta) * domains, 1.0)  # below one domain, the worst one is all of the tail
    weights = np.clip(tail - np.arange(domains), 0.0, 1.0) / tail
    counted = weights > 0  # an infinite cost outside the tail must not turn into nan
    return weights[counted] @ worst_first[counted]
