"""Finds robots, planners and update rules by module name, or from other packages by entry point.

A file ``gpc_ros/tasks/foo.py`` that defines one public subclass of ``Task`` is the robot ``foo``; nothing
else is edited. Another package adds one with an entry point in the group ``gpc_ros.tasks``, from a module that is
called as the robot; ``models`` and ``config`` stand beside that module.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path

from gpc_ros.errors import GpcError, UnknownName

_KINDS = {"tasks": "robot", "control": "planner", "sampling.rules": "update rule"}


def names(group: str) -> list[str]:
    """Sorted names in ``group`` (``tasks``, ``control`` or ``sampling.rules``)."""
    return sorted(_own(group) | {point.name for point in _offered(group)})


def load(group: str, name: str, base: type) -> type:
    """The class called ``name`` in ``group``, a subclass of ``base``.

    Raises:
        UnknownName: if there is none; lists the valid names.
        GpcError: if its module does not define exactly one such class, its entry point leads to none that is
            complete, or if it is offered twice: an installed package never replaces a robot or planner unseen.
    """
    if name not in names(group):
        raise UnknownName(_KINDS[group], name, names(group))
    places = {point.value: point for point in _offered(group) if point.name == name}
    if len(places) + (name in _own(group)) > 1:
        raise GpcError(f"{_KINDS[group]} '{name}' is offered more than once, also by {', '.join(sorted(places))}")
    for point in places.values():
        found_class = _from_entry_point(point, base)
        if group == "tasks" and found_class.__module__.rpartition(".")[2] != name:
            raise GpcError(f"entry point '{name} = {point.value}': the robot's module must be called '{name}'")
        return found_class
    module = importlib.import_module(f"gpc_ros.{group}.{name}")
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, base) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise GpcError(f"{module.__name__} must define exactly one subclass of {base.__name__}, found {len(found)}")
    return found[0]


def folders() -> dict[str, Path]:
    """By name of the robots that other packages offer: the folder of the robot's module, as far as there is one."""
    found = {}
    for point in _offered("tasks"):
        try:
            module = importlib.util.find_spec(point.module)
        except Exception:  # of the package that holds the module
            continue  # ``load`` says what is wrong with it
        if module is not None and module.origin is not None:
            found[point.name] = Path(module.origin).parent
    return found


def _own(group: str) -> set[str]:
    package = importlib.import_module(f"gpc_ros.{group}")
    hidden = getattr(package, "NOT_LISTED", ())
    modules = (module.name for module in pkgutil.iter_modules(package.__path__))
    return {name for name in modules if name not in hidden and not name.startswith("_")}


def _offered(group: str) -> EntryPoints:
    return _found(entry_points, f"gpc_ros.{group}", tuple(sys.path))


@lru_cache(maxsize=16)
def _found(finder: Callable[..., EntryPoints], group: str, path: tuple[str, ...]) -> EntryPoints:
    """The entry points of ``group``; to look through all that is installed on ``path`` takes a while."""
    return finder(group=group)


def _from_entry_point(point: EntryPoint, base: type) -> type:
    where = f"entry point '{point.name} = {point.value}'"
    try:
        value = point.load()
    except Exception as error:  # whatever the code of another package may raise
        reason = error if isinstance(error, ImportError | AttributeError) else f"{type(error).__name__}: {error}"
        raise GpcError(f"{where} cannot be loaded: {' '.join(str(reason).split())}") from error
    if not (inspect.isclass(value) and issubclass(value, base)):
        raise GpcError(f"{where} is no subclass of {base.__name__}")
    if lacking := sorted(getattr(value, "__abstractmethods__", ())):
        raise GpcError(f"{where} lacks {', '.join(lacking)}")
    return value
