"""Surfaces that viser has no primitive for. Letters: V vertices, F faces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpc_ros.signals import Array

_AROUND, _RINGS = 24, 8


def capsule(radius: float, half_length: float) -> tuple[Array, NDArray[np.uint32]]:
    """Vertices (V, 3) [m] and faces (F, 3) of a capsule along z, as MuJoCo has it."""
    latitude = np.linspace(0.0, 0.5 * np.pi, _RINGS)
    top = np.stack((radius * np.cos(latitude), half_length + radius * np.sin(latitude)))
    profile = np.concatenate((top[:, ::-1] * [[1.0], [-1.0]], top), axis=1)  # (2, rings): distance from the axis, z
    longitude = np.linspace(0.0, 2.0 * np.pi, _AROUND, endpoint=False)
    across, along = profile
    vertices = np.stack(
        (
            np.outer(across, np.cos(longitude)),
            np.outer(across, np.sin(longitude)),
            np.repeat(along[:, np.newaxis], _AROUND, axis=1),
        ),
        axis=-1,
    ).reshape(-1, 3)
    ring, place = np.meshgrid(np.arange(2 * _RINGS - 1), np.arange(_AROUND), indexing="ij")
    beside = (place + 1) % _AROUND
    a, b, c, d = (row * _AROUND + column for row in (ring, ring + 1) for column in (place, beside))
    faces = np.stack((np.stack((a, b, d), axis=-1), np.stack((a, d, c), axis=-1)), axis=-2)
    return vertices, faces.reshape(-1, 3).astype(np.uint32)
