"""Finds robots, planners and update rules by module name, or from other packages by entry point.

A file ``gpc_ros/tasks/foo.py`` that defines one public subclass of ``Task`` is the robot ``foo``; nothing
else is edited. Another package adds one with an entry point in the group ``gpc_ros.tasks``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from importlib.metadata import EntryPoint, EntryPoints, entry_points

from gpc_ros.errors import GpcError, UnknownName

_KINDS = {"tasks": "robot", "control": "planner", "sampling.rules": "update rule"}


def names(group: str) -> list[str]:
    """Sorted names in ``group`` (``tasks``, ``control`` or ``sampling.rules``)."""
    return sorted(_own(group) | {point.name for point in _offered(group)})


def load(group: str, name: str, base: type) -> type:
    """The class called ``name`` in ``group``, a subclass of ``base``.

    Raises:
        UnknownName: if there is none; lists the valid names.
        GpcError: if its module does not define exactly one such class, its entry point leads to none, or if it
            is offered twice: an installed package never replaces a robot or planner unseen.
    """
    if name not in names(group):
        raise UnknownName(_KINDS[group], name, names(group))
    places = {point.value: point for point in _offered(group) if point.name == name}
    if len(places) + (name in _own(group)) > 1:
        raise GpcError(f"{_KINDS[group]} '{name}' is offered more than once, also by {', '.join(sorted(places))}")
    for point in places.values():
        return _from_entry_point(point, base)
    module = importlib.import_module(f"gpc_ros.{group}.{name}")
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, base) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise GpcError(f"{module.__name__} must define exactly one subclass of {base.__name__}, found {len(found)}")
    return found[0]


def _own(group: str) -> set[str]:
    package = importlib.import_module(f"gpc_ros.{group}")
    hidden = getattr(package, "NOT_LISTED", ())
    modules = (module.name for module in pkgutil.iter_modules(package.__path__))
    return {name for name in modules if name not in hidden and not name.startswith("_")}


def _offered(group: str) -> EntryPoints:
    return entry_points(group=f"gpc_ros.{group}")


def _from_entry_point(point: EntryPoint, base: type) -> type:
    try:
        value = point.load()
    except (ImportError, AttributeError) as error:
        raise GpcError(f"entry point '{point.name} = {point.value}' cannot be loaded: {error}") from error
    if not (inspect.isclass(value) and issubclass(value, base)):
        raise GpcError(f"entry point '{point.name} = {point.value}' is no subclass of {base.__name__}")
    return value
