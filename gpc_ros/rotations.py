"""Rotations of batches of vectors, by components. Letters: N any leading batch shape."""

from __future__ import annotations

import numpy as np

from gpc_ros.signals import Array

Vector = tuple[Array, Array, Array]
"""Components x, y, z, each (N)."""


def axes(quat_wxyz: Array) -> tuple[Vector, Vector, Vector]:
    """The x, y and z axes, in the parent frame, of a frame whose unit quaternions are ``quat_wxyz`` (N, 4)."""
    w, x, y, z = (quat_wxyz[..., i] for i in range(4))
    return (
        (1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)),
        (2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)),
        (2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)),
    )


def outside(vector: Vector, frame: tuple[Vector, Vector, Vector]) -> Vector:
    """``vector``, given in the frame with these ``axes``, in the parent frame."""
    (a, b, c), (x, y, z) = vector, frame
    return a * x[0] + b * y[0] + c * z[0], a * x[1] + b * y[1] + c * z[1], a * x[2] + b * y[2] + c * z[2]


def inside(vector: Vector, frame: tuple[Vector, Vector, Vector]) -> Vector:
    """``vector``, given in the parent frame, in the frame with these ``axes``: the inverse of ``outside``."""
    (a, b, c), (x, y, z) = vector, frame
    return a * x[0] + b * x[1] + c * x[2], a * y[0] + b * y[1] + c * y[2], a * z[0] + b * z[1] + c * z[2]


def turned(vector: Vector, axis: int, angle: Array) -> Vector:
    """``vector`` turned by ``angle`` (N) [rad] about the axis x, y or z, which is ``axis`` 0, 1 or 2."""
    cos, sin = np.cos(angle), np.sin(angle)
    result, first, second = list(vector), (axis + 1) % 3, (axis + 2) % 3
    result[first] = cos * vector[first] - sin * vector[second]
    result[second] = sin * vector[first] + cos * vector[second]
    x, y, z = result
    return x, y, z
