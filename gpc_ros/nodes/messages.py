"""Classes of messages by the names that the table of topics has for them."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def message_class(kind: str) -> Any:
    """The class of messages of type ``kind`` (package/Type).

    Raises:
        ImportError: if the package is not installed; AttributeError if it has no such type.
    """
    package, _, name = kind.partition("/")
    return getattr(import_module(f"{package or '?'}.msg"), name)
