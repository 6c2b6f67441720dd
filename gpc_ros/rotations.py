"""Rotations of batches: the axes of a frame from its unit quaternion. Letters: N any leading batch shape."""

from __future__ import annotations

from gpc_ros.signals import Array

Vector = tuple[Array, Array, Array]
"""Components x, y, z, each (N)."""


def axes(quat_wxyz: Array) -> tuple[Vector, Vector, Vector]:
    """The columns of the rotation matrix of ``quat_wxyz`` (N, 4): the frame's x, y and z axes in the parent frame."""
    w, x, y, z = (quat_wxyz[..., i] for i in range(4))
    return (
        (1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)),
        (2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)),
        (2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)),
    )
