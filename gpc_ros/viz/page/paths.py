"""Where plans lead: the plan as a line, candidates as thin ones from green (cheap) to red.

Letters: N candidates, T points in time, P traced points.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpc_ros.signals import Array, Estimate, Plan, Samples
from gpc_ros.viz.preview import Preview

_PLAN_RGB = np.array([(25, 95, 210)], dtype=float)
_SCALE_RGB = np.array([(46, 160, 67), (245, 190, 40), (214, 50, 48)], dtype=float)  # cheap, middling, dear
_WIDTH_PX, _THIN_PX = 4.0, 1.5


class Paths:
    """The lines of the plan and of the candidates in viser's ``scene``, ``below`` the node of that name."""

    def __init__(self, scene: Any, preview: Preview, *, below: str = "") -> None:
        self._preview = preview
        self._plan = _lines(scene, f"{below}/plan", _WIDTH_PX)
        self._candidates = _lines(scene, f"{below}/candidates", _THIN_PX)

    def show_plan(self, estimate: Estimate, plan: Plan | None) -> None:
        """Draw ``plan`` from the state of ``estimate`` on; nothing without one."""
        path = np.empty((0, 1, 3))
        if plan is not None:
            path = self._preview.path(estimate.qpos, estimate.qvel, plan, estimate.stamp_ns)
        segments = _segments(path[np.newaxis])[0]
        _set(self._plan, segments, np.broadcast_to(_linear(_PLAN_RGB), segments.shape))

    def show_candidates(self, estimate: Estimate, candidates: tuple[Samples, Array] | None) -> None:
        """Draw ``candidates`` from the state of ``estimate`` on; nothing without any."""
        if candidates is None:
            _set(self._candidates, *(np.empty((0, 2, 3)),) * 2)
            return
        samples, costs = candidates
        paths = self._preview.paths(estimate.qpos, estimate.qvel, samples, estimate.stamp_ns)
        whole = np.isfinite(paths).all(axis=(1, 2, 3))
        segments = _segments(paths[whole])
        colours = np.broadcast_to(_linear(colours_of(costs[whole]))[:, np.newaxis, np.newaxis], segments.shape)
        _set(self._candidates, segments.reshape(-1, 2, 3), colours.reshape(-1, 2, 3))


def colours_of(costs: Array) -> NDArray[np.uint8]:
    """RGB (N, 3) of ``costs`` (N,) by rank, for a few dear ones would make all others look alike."""
    ranks = np.argsort(np.argsort(costs, kind="stable")) / max(len(costs) - 1, 1)
    places = np.linspace(0.0, 1.0, len(_SCALE_RGB))
    return np.stack([np.interp(ranks, places, channel) for channel in _SCALE_RGB.T], axis=-1).astype(np.uint8)


def _linear(rgb: Array | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As viser takes the colours of lines: proportional to the light, where all else is as on the screen."""
    return (255.0 * (np.asarray(rgb, dtype=float) / 255.0) ** 2.2).astype(np.uint8)


def _segments(paths: Array) -> Array:
    """Line segments (N, P (T - 1), 2, 3) of ``paths`` (N, T, P, 3)."""
    pairs = np.stack((paths[:, :-1], paths[:, 1:]), axis=-2)
    count, steps, points = pairs.shape[:3]
    return pairs.reshape(count, steps * points, 2, 3)


def _lines(scene: Any, name: str, width_px: float) -> Any:
    nothing = np.zeros((1, 2, 3))
    return scene.add_line_segments(
        name, nothing, nothing.astype(np.uint8), thickness=width_px, thickness_units="screen", visible=False
    )


def _set(lines: Any, points: Array, colours: Any) -> None:
    """New points and colours; lines without any are hidden."""
    visible = len(points) > 0
    if visible:
        lines.points, lines.colors = points.astype(np.float32), np.ascontiguousarray(colours, np.uint8)
    if lines.visible != visible:
        lines.visible = visible
