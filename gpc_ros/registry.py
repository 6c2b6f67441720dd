"""Finds robots, planners and update rules by module name, or from other packages by entry point.

A file ``gpc_ros/tasks/foo.py`` that defines one public subclass of ``Task`` is the robot ``foo``; nothing
else is edited. Another package adds one with an entry point in the group ``gpc_ros.tasks``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from importlib.metadata import entry_points

from gpc_ros.errors import GpcError, UnknownName

_KINDS = {"tasks": "robot", "control": "planner", "sampling.rules": "update rule"}


def names(group: str) -> list[str]:
    """Sorted names in ``group`` (``tasks``, ``control`` or ``sampling.rules``)."""
    package = importlib.import_module(f"gpc_ros.{group}")
    own = {m.name for m in pkgutil.iter_modules(package.__path__) if m.name not in getattr(package, "NOT_LISTED", ())}
    return sorted(own | {point.name for point in entry_points(group=f"gpc_ros.{group}")})


def load(group: str, name: str, base: type) -> type:
    """The class called ``name`` in ``group``, a subclass of ``base``.

    Raises:
        UnknownName: if there is none; lists the valid names.
        GpcError: if its module does not define exactly one such class.
    """
    if name not in names(group):
        raise UnknownName(_KINDS[group], name, names(group))
    for point in entry_points(group=f"gpc_ros.{group}"):
        if point.name == name:
            return point.load()
    module = importlib.import_module(f"gpc_ros.{group}.{name}")
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, base) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise GpcError(f"{module.__name__} must define exactly one subclass of {base.__name__}, found {len(found)}")
    return found[0]
