"""Humanoid with 29 position servos: the later plant of the published code, for comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from gpc_ros.tasks.humanoid import Humanoid


class Humanoid29(Humanoid):
    """Stands up as ``Humanoid``, with a waist of three joints, wrists, and position servos of limited torque.

    Its commands are angles [rad], which cost nothing.
    """

    running_weights: ClassVar[Mapping[str, float]] = {**Humanoid.running_weights, "control": 0.0}
