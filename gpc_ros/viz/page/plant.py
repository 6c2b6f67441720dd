"""What only a simulated robot can be asked for: pause, step, reset, pushes. Hidden where there is no simulator."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from gpc_ros.signals import Array
from gpc_ros.simulation.pushes import DURATION_S, Push, movable
from gpc_ros.viz.page.notices import refuse
from gpc_ros.viz.page.port import PAUSE, RESET, RESUME, STEP, Port

SIMULATOR = "simulator"
_ASKED = {"pause": PAUSE, "go on": RESUME, "step": STEP, "reset": RESET}
_RUNNING, _PAUSED = ("pause", "reset"), ("go on", "step", "reset")
_KICK_M_S = 1.0  # what the default push gives the whole robot
_MOST = 5.0  # times the default


class Plant:
    """Buttons for the simulator in viser's ``gui``."""

    def __init__(self, gui: Any, port: Port, model: mujoco.MjModel) -> None:
        self._port = port
        self._time = gui.add_button_group("Time", _RUNNING, hint="pause, one tick of the loop at a time, a new start")
        self._time.on_click(lambda event: self._ask(_ASKED[event.target.value], event.client))
        self._add_pushes(gui, model)

    def _add_pushes(self, gui: Any, model: mujoco.MjModel) -> None:
        bodies = movable(model)
        force = float(f"{_KICK_M_S * _moving_mass(model) / DURATION_S:.1g}")
        self._force = gui.add_slider(
            "Push [N]", 0.0, _MOST * force, force / 20, force, hint=f"for {DURATION_S:g} s, as seen from the camera"
        )
        self._body = gui.add_dropdown("Body", bodies, hint="what is pushed, at its centre of mass")
        self._sides = gui.add_button_group("Direction", ("← left", "right →"))
        self._sides.on_click(self._on_push)

    def _ask(self, what: str, client: Any) -> None:
        def done(reason: str) -> None:
            if reason:
                refuse(client, f"{what} refused", reason)
            elif what in (PAUSE, RESUME):
                self._time.options = _PAUSED if what == PAUSE else _RUNNING

        self._port.ask_plant(what, done)

    def _on_push(self, event: Any) -> None:
        side = -1.0 if "left" in event.target.value else 1.0
        force = side * self._force.value * to_the_right(np.array(event.client.camera.wxyz))
        self._port.push(Push(self._body.value, force, np.zeros(3)))


def to_the_right(wxyz: Array) -> Array:
    """Horizontal direction (3,) that a camera of attitude ``wxyz`` (4,) sees on its right."""
    right = np.empty(3)
    mujoco.mju_rotVecQuat(right, np.array([1.0, 0.0, 0.0]), wxyz)
    right[2] = 0.0
    length = float(np.linalg.norm(right))
    return right / length if length > 1e-6 else np.array([1.0, 0.0, 0.0])


def _moving_mass(model: mujoco.MjModel) -> float:
    """Mass [kg] of all bodies that can move."""
    return float(sum(model.body(name).mass[0] for name in movable(model))) or 1.0
