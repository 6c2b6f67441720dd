"""Both ends of ``push``: geometry_msgs/WrenchStamped, ``header.frame_id`` the body, force and torque in world axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import WrenchStamped

from gpc_ros.errors import InvalidSignal, UnknownName
from gpc_ros.simulation.pushes import Push, Pushes

_MAX_SHOWN = 40  # characters of a name from the wire that a refusal quotes


class PushListener:
    """Hands pushes that can be done to ``take``; others are counted and named, with the bodies that there are."""

    def __init__(self, shell: Any, pushes: Pushes, take: Callable[[Push], None]) -> None:
        self._shell = shell
        self._pushes = pushes
        self._take = take
        shell.on_event("push", self._on_push)

    def _on_push(self, message: WrenchStamped) -> None:
        push = decode(message)
        try:
            self._pushes.check(push)
        except (InvalidSignal, UnknownName) as error:
            reason = error.reason if isinstance(error, InvalidSignal) else "body"
            self._shell.counts[f"push: {reason}"] += 1
            self._shell.say("warn", f"push refused: {error}", key=f"push{reason}")
        else:
            self._take(push)


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
