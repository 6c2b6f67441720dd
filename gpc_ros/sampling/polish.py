"""Gauss-Newton on the knots from batched perturbation rollouts, within bounds.

The cost is a sum of squares |r(z)|^2 over few variables (the knots), and rollouts come in batches: perturb
each variable, take the Jacobian of the residuals by differences, solve (J^T J + lambda I) d = -J^T r for
several lambda at once, and roll all of these steps out. The caller keeps the best, the old point included,
so that a polish never makes a plan worse.

Letters: E any leading batch shape, n variables (K nu knots, in units of half the ctrlrange), M residuals, L dampings.
"""

from __future__ import annotations

import numpy as np

from gpc_ros.signals import Array

DAMPINGS = 6
"""How many Levenberg factors are tried at once."""
LEAST_DAMPING = 1e-5
"""The least of them, unless a parameter says otherwise."""
_BOUND_PASSES = 8


def dampings(least: float) -> Array:
    """Levenberg factors (L,) from ``least`` to 1, in units of the largest diagonal entry of J^T J."""
    return np.geomspace(least, 1.0, DAMPINGS)


def perturbations(point: Array, size: float) -> tuple[Array, Array]:
    """Points (E, n, n) beside ``point`` (E, n) in [-1, 1], row i moved by ``size`` in variable i; the moves (E, n).

    Each variable moves inwards, so that every point can be rolled out as it is.
    """
    moves = np.where(point > 0, -size, size)
    return point[..., np.newaxis, :] + moves[..., np.newaxis, :] * np.eye(point.shape[-1]), moves


def jacobian(residuals: Array, perturbed: Array, moves: Array) -> Array:
    """Jacobian (E, M, n) from ``residuals`` (E, M) at the point and ``perturbed`` (E, n, M) beside it."""
    return np.swapaxes((perturbed - residuals[..., np.newaxis, :]) / moves[..., np.newaxis], -1, -2)


def steps(point: Array, residuals: Array, jacobian: Array, *, dampings: Array) -> Array:
    """Improved points (E, L, n) in [-1, 1], one per damping.

    The linearized problem is solved with its bounds, so that the free variables make up for what saturation takes
    away from the others.

    Args:
        point: (E, n) where the Jacobian was taken.
        residuals: (E, M) there.
        jacobian: (E, M, n).
        dampings: (L,) in units of the largest diagonal entry of J^T J.
    """
    size = point.shape[-1]
    transposed = np.swapaxes(jacobian, -1, -2)
    hessian = transposed @ jacobian
    gradient = (transposed @ residuals[..., np.newaxis])[..., 0]
    scale = np.maximum(np.diagonal(hessian, axis1=-2, axis2=-1).max(axis=-1), 1e-12)
    damping = (scale[..., np.newaxis] * dampings)[..., np.newaxis, np.newaxis] * np.eye(size)
    damped = hessian[..., np.newaxis, :, :] + damping
    low, high = -1.0 - point[..., np.newaxis, :], 1.0 - point[..., np.newaxis, :]
    gradient = np.broadcast_to(gradient[..., np.newaxis, :], damped.shape[:-1])
    return point[..., np.newaxis, :] + _box_minimum(damped, gradient, low, high)


def _box_minimum(hessian: Array, gradient: Array, low: Array, high: Array) -> Array:
    """Minimum d (..., n) of d^T H d / 2 + g^T d with ``low`` <= d <= ``high``, by a primal-dual active set.

    Cut off after a few passes, where the result is clipped: still a good step, and the caller tries it anyway.
    """
    at_low = np.zeros(gradient.shape, dtype=bool)
    at_high = np.zeros(gradient.shape, dtype=bool)
    identity = np.eye(gradient.shape[-1])
    for _ in range(_BOUND_PASSES):
        free = ~(at_low | at_high)
        fixed = np.where(at_low, low, np.where(at_high, high, 0.0))
        right = np.where(free, -gradient - (hessian @ fixed[..., np.newaxis])[..., 0], fixed)
        matrix = np.where(free[..., :, np.newaxis] & free[..., np.newaxis, :], hessian, identity)
        move = np.linalg.solve(matrix, right[..., np.newaxis])[..., 0]
        slope = (hessian @ move[..., np.newaxis])[..., 0] + gradient
        below = np.where(free, move < low, at_low & (slope > 0))
        above = np.where(free, move > high, at_high & (slope < 0))
        if (below == at_low).all() and (above == at_high).all():
            break
        at_low, at_high = below, above
    return np.clip(move, low, high)
