"""Tells who drives: latched topics and the log, outside the loop."""

from __future__ import annotations

from typing import Any

from std_msgs.msg import String

from gpc_ros.control.executive import Executive


class Announcer:
    """Publishes ``controller/active`` and ``controller/wanted`` when they change, logs each change of driver."""

    def __init__(self, shell: Any, executive: Executive) -> None:
        self._shell = shell
        self._executive = executive
        self._active = shell.publisher("controller/active")
        self._wanted = shell.publisher("controller/wanted")
        self._told: dict[str, str] = {}

    def tell(self) -> None:
        """Say what has changed since the last time."""
        executive = self._executive
        self._publish("active", self._active, executive.driver or "none")
        self._publish("wanted", self._wanted, ",".join(executive.wanted))
        while executive.events:
            event = executive.events.popleft()
            text = f"{event.after} drives ({event.reason})" if event.reason else f"{event.after} drives"
            self._shell.say("warn" if event.reason else "info", text, key=f"{event.before}{event.after}")

    def _publish(self, key: str, publisher: Any, text: str) -> None:
        if self._told.get(key) != text:
            self._told[key] = text
            publisher.publish(String(data=text))
