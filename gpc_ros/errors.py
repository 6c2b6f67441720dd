"""Errors a user can cause. Each message names the culprit and lists what is valid."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GpcError(Exception):
    """Base of every error that a user's input can raise; the message is one line."""


class UnknownName(GpcError):
    """A name that is not in a set of valid names."""

    def __init__(self, kind: str, name: str, valid: Iterable[str]) -> None:
        valid = sorted(valid)
        self._given = (kind, name, valid)
        close = difflib.get_close_matches(str(name), valid, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        listed = ", ".join(valid) if valid else "none"
        super().__init__(f"unknown {kind} '{name}'.{hint} Valid: {listed}")

    def __reduce__(self) -> tuple[type, tuple[str, str, list[str]]]:
        return type(self), self._given  # so that it crosses processes


class InvalidParameter(GpcError):
    """A parameter or configuration value that is out of range or of the wrong type."""


class InvalidModel(GpcError):
    """A model file, MJCF or policy, that cannot be loaded or does not fit its task."""


class InvalidSignal(GpcError):
    """A signal (measurement, estimate, plan, command) with wrong names, sizes, stamps or values.

    ``reason`` is a short word for counters: ``names``, ``size``, ``nonfinite``, ``range``, ``stamp``...
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.reason, str(self))
