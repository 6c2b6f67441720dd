"""Notices in the corner of a browser."""

from __future__ import annotations

from typing import Any

_REFUSAL_S = 12.0


def refuse(client: Any, title: str, reason: str) -> None:
    """Tell the browser ``client`` why what it asked for does not happen."""
    client.add_notification(title, reason, color="red", auto_close_seconds=_REFUSAL_S)
