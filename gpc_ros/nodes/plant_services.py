"""Services of the simulated plant: reset, pause, step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from std_srvs.srv import SetBool, Trigger


class PlantServices:
    """``simulator/reset``, ``simulator/pause``, ``simulator/step``; all act in the thread of the loop."""

    def __init__(self, shell: Any, reset: Callable[[], None]) -> None:
        self._shell = shell
        self._reset = reset
        self._paused = False
        self._steps = 0
        shell.node.create_service(Trigger, "simulator/reset", self._on_reset)
        shell.node.create_service(SetBool, "simulator/pause", self._on_pause)
        shell.node.create_service(Trigger, "simulator/step", self._on_step)

    def may_step(self) -> bool:
        """Whether the plant may advance by a tick now; uses up a single step that was asked for."""
        if not self._paused:
            return True
        self._steps -= (granted := self._steps > 0)
        return granted

    def _on_reset(self, request: Any, response: Any) -> Any:
        self._shell.loop.post(self._reset)
        response.success, response.message = True, f"after epoch {self._shell.simulation.epoch}"
        return response

    def _on_pause(self, request: Any, response: Any) -> Any:
        self._paused = request.data
        self._shell.loop.post(self._forget_steps)
        response.success, response.message = True, "paused" if self._paused else "running"
        return response

    def _on_step(self, request: Any, response: Any) -> Any:
        if self._paused:
            self._shell.loop.post(self._add_step)
        response.success, response.message = self._paused, "one tick" if self._paused else "not paused"
        return response

    def _forget_steps(self) -> None:
        self._steps = 0

    def _add_step(self) -> None:
        self._steps += 1
