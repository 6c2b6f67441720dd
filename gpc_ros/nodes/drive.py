"""Who drives the robot, and what was commanded last: for those who have to know where it will be."""

from __future__ import annotations

from typing import Any

from std_msgs.msg import String

from gpc_ros.nodes.latest import Latest
from gpc_ros.signals import Command


class Drive:
    """Hears ``controller/active``, and looks at ``command`` when asked: nobody is woken by it."""

    def __init__(self, shell: Any) -> None:
        self.driver = ""
        """As the controller says it; empty before it does."""
        self._shell = shell
        self._command: Command | None = None
        self._commands = Latest(shell.node, {"command": 1})
        self._commands.open()
        shell.on_event("controller/active", self._on_active)

    def command(self) -> Command | None:
        """The newest command."""
        for data, info in self._commands.take("command"):
            self._shell.refusing("command", self._decode)(data, info)
        return self._command

    def _decode(self, data: bytes, info: Any) -> None:
        self._command = self._shell.codec.decode_command(data)

    def _on_active(self, message: String) -> None:
        self.driver = message.data
