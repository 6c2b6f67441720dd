"""What is drawn for a viewer such as RViz: the robot, its ghost, plan, candidates and goal as plain markers.

Letters: S shapes, N candidates, T points in time, P traced points. World frame, SI units.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np

from gpc_ros.signals import Array
from gpc_ros.viz.geometry import Shape

Rgba = tuple[float, float, float, float]

PLAN: Rgba = (0.10, 0.55, 0.95, 1.0)
GHOST: Rgba = (0.20, 0.75, 0.35, 0.35)
_CHEAP, _DEAR = np.array([0.20, 0.75, 0.35, 0.7]), np.array([0.90, 0.20, 0.20, 0.7])
_PARTS = 3  # markers of one shape at most
_THIN_M = 0.001
_WIDTH = 0.004  # of a line, in the model's extent


class Kind(enum.StrEnum):
    """Forms of markers."""

    CUBE = "cube"
    SPHERE = "sphere"
    CYLINDER = "cylinder"
    LINE = "line"


@dataclass(frozen=True, slots=True)
class Marker:
    """A form in one colour, with an ``id`` that stays its own within its ``space``.

    ``scale`` holds whole lengths along its axes [m]; of a line the first is its width. A line goes through ``points``
    (n, 3).
    """

    space: str
    id: int
    kind: Kind
    scale: tuple[float, float, float]
    rgba: Rgba
    position: Array = field(default_factory=lambda: np.zeros(3))
    quat_wxyz: Array = field(default_factory=lambda: np.array([1.0, 0.0, 0.0, 0.0]))
    points: Array = field(default_factory=lambda: np.empty((0, 3)))


def bodies(
    space: str, shapes: Sequence[Shape], positions: Array, quats_wxyz: Array, *, rgba: Rgba | None = None
) -> list[Marker]:
    """``shapes`` at ``positions`` (S, 3) and ``quats_wxyz`` (S, 4), all in the colour ``rgba`` if it is given."""
    found = []
    for shape, position, quat_wxyz in zip(shapes, positions, quats_wxyz, strict=True):
        for part, (kind, scale, offset) in enumerate(_parts(shape)):
            place = position + offset * _axis(quat_wxyz) if offset else position
            found.append(Marker(space, shape.geom * _PARTS + part, kind, scale, rgba or shape.rgba, place, quat_wxyz))
    return found


def paths(space: str, positions: Array, rgbas: Sequence[Rgba], *, width_m: float) -> list[Marker]:
    """A line for each traced point of each of ``positions`` (N, T, P, 3) that is finite, in its colour of ``rgbas``."""
    _, length, traced, _ = positions.shape
    return [
        Marker(space, index * traced + point, Kind.LINE, (width_m, 0.0, 0.0), rgba, points=path[:, point])
        for index, (path, rgba) in enumerate(zip(positions, rgbas, strict=True))
        for point in range(traced)
        if length > 1 and np.isfinite(path[:, point]).all()
    ]


def by_rank(count: int) -> list[Rgba]:
    """Colours from the cheapest of ``count`` candidates, green, to the dearest, red."""
    found = []
    for share in np.linspace(0.0, 1.0, count):
        r, g, b, a = map(float, _CHEAP + share * (_DEAR - _CHEAP))
        found.append((r, g, b, a))
    return found


def line_width(model: mujoco.MjModel) -> float:
    """A width of lines [m] that suits the size of the model."""
    return float(_WIDTH * model.stat.extent)


class Board:
    """What a viewer shows by now: so that what vanishes is taken away, and what stays is not sent anew."""

    def __init__(self) -> None:
        self._shown: dict[str, set[int]] = {}

    def clear(self) -> None:
        """Forget everything, as for a new viewer."""
        self._shown.clear()

    def show(self, space: str, markers: Sequence[Marker]) -> list[int]:
        """``markers`` are now all that there is in ``space``; the ids of those that are to be taken away."""
        now = {marker.id for marker in markers}
        gone = sorted(self._shown.get(space, set()) - now)
        self._shown[space] = now
        return gone


def _parts(shape: Shape) -> list[tuple[Kind, tuple[float, float, float], float]]:
    """Forms that make up a shape: kind, scale, and offset along its z axis [m]."""
    x, y, z = shape.size
    match shape.kind:
        case "sphere":
            return [(Kind.SPHERE, (2 * x, 2 * x, 2 * x), 0.0)]
        case "ellipsoid":
            return [(Kind.SPHERE, (2 * x, 2 * y, 2 * z), 0.0)]
        case "cylinder":
            return [(Kind.CYLINDER, (2 * x, 2 * x, 2 * y), 0.0)]
        case "capsule":
            ball = (2 * x, 2 * x, 2 * x)
            return [(Kind.CYLINDER, (2 * x, 2 * x, 2 * y), 0.0), (Kind.SPHERE, ball, y), (Kind.SPHERE, ball, -y)]
        case "plane":
            return [(Kind.CUBE, (2 * x, 2 * y, _THIN_M), -_THIN_M / 2)]
        case _:
            return [(Kind.CUBE, (2 * x, 2 * y, 2 * z), 0.0)]


def _axis(quat_wxyz: Array) -> Array:
    """The z axis of a frame."""
    w, x, y, z = quat_wxyz
    return np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
