"""Both ends of ``push``: geometry_msgs/WrenchStamped, ``header.frame_id`` the body, force and torque in world axes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from geometry_msgs.msg import WrenchStamped

from gpc_ros.errors import InvalidSignal, UnknownName
from gpc_ros.simulation.pushes import Push
from gpc_ros.simulation.simulation import Simulation

_MAX_SHOWN = 40  # characters of a name from the wire that a refusal quotes


class PushListener:
    """Does pushes that can be done, in the loop; others are counted and named, with the bodies that there are."""

    def __init__(self, shell: Any, simulation: Simulation) -> None:
        self._shell = shell
        self._simulation = simulation
        self._taken = 0
        self._last: Push | None = None
        shell.on_event("push", self._on_push)

    def _on_push(self, message: WrenchStamped) -> None:
        push = decode(message)
        try:
            self._simulation.pushes.check(push)
        except (InvalidSignal, UnknownName) as error:
            reason = error.reason if isinstance(error, InvalidSignal) else "body"
            self._shell.counts[f"push: {reason}"] += 1
            self._shell.say("warn", f"push refused: {error}", key=f"push{reason}")
        else:
            self._taken, self._last = self._taken + 1, push
            self._shell.loop.post(partial(self._simulation.push, push))

    def figures(self) -> dict[str, object]:
        """How many were taken, and the last."""
        if (last := self._last) is None:
            return {"pushes": 0}
        force, torque = (" ".join(f"{value:.4g}" for value in values) for values in (last.force, last.torque))
        return {"pushes": self._taken, "last_push": f"{last.body}: {force} N, {torque} N m"}


def encode(push: Push) -> WrenchStamped:
    """As a message, without a stamp."""
    message = WrenchStamped()
    message.header.frame_id = push.body
    wrench = message.wrench
    wrench.force.x, wrench.force.y, wrench.force.z = map(float, push.force)
    wrench.torque.x, wrench.torque.y, wrench.torque.z = map(float, push.torque)
    return message


def decode(message: WrenchStamped) -> Push:
    """From a message; a name too long for a body, or with characters to upset a terminal, is cut and cleaned."""
    force, torque = message.wrench.force, message.wrench.torque
    name = "".join(letter if letter.isprintable() else "?" for letter in message.header.frame_id[:_MAX_SHOWN])
    return Push(name, np.array([force.x, force.y, force.z]), np.array([torque.x, torque.y, torque.z]))
