"""Which command was in force when: the filter predicts with what the plant was really given."""

from __future__ import annotations

from collections import deque

from gpc_ros.signals import Command

_KEPT = 256


class CommandLog:
    """The latest commands by stamp. A command takes effect ``delay_ns`` after the stamp that it answers."""

    def __init__(self, delay_ns: int = 0) -> None:
        self.delay_ns = delay_ns
        self._commands: deque[Command] = deque(maxlen=_KEPT)

    def add(self, command: Command) -> None:
        """Note a command. It replaces those of its own and later stamps: answers to what was only foreseen.

        One of an older epoch is ignored.
        """
        if self._commands and command.epoch < self._commands[-1].epoch:
            return
        if self._commands and command.epoch > self._commands[-1].epoch:
            self._commands.clear()
        while self._commands and command.stamp_ns <= self._commands[-1].stamp_ns:
            self._commands.pop()
        self._commands.append(command)

    def since(self, start_ns: int) -> Command | None:
        """The command in force from ``start_ns`` on: the newest that had taken effect; None if there was none."""
        for command in reversed(self._commands):
            if command.stamp_ns + self.delay_ns <= start_ns:
                return command
        return None

    def has(self, stamp_ns: int) -> bool:
        """Whether the answer to ``stamp_ns`` is known."""
        return bool(self._commands) and self._commands[-1].stamp_ns >= stamp_ns
