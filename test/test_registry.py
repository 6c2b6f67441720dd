"""Robots, planners and update rules are found by file name, or in other packages by entry point."""

from __future__ import annotations

import sys
import types
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from gpc_ros import registry
from gpc_ros.control.base import Planner
from gpc_ros.errors import GpcError, UnknownName
from gpc_ros.sampling.rules.base import UpdateRule
from gpc_ros.tasks.base import Task
from gpc_ros.tasks.pendulum import Pendulum

BASES = {"tasks": Task, "control": Planner, "sampling.rules": UpdateRule}
SMALL = {"particle", "pendulum", "cart_pole", "double_cart_pole"}


@pytest.fixture
def outside(monkeypatch):
    """An installed package ``outside`` with a robot of its own, and a function that declares entry points."""
    module = types.ModuleType("outside.acrobot")
    module.Acrobot = type("Acrobot", (Pendulum,), {"__module__": "outside.acrobot"})
    module.not_a_class = 3
    monkeypatch.setitem(sys.modules, "outside", types.ModuleType("outside"))
    monkeypatch.setitem(sys.modules, "outside.acrobot", module)

    def declare(*points):
        def found(*, group):
            return EntryPoints(EntryPoint(*point, group) for point in points if group == "gpc_ros.tasks")

        monkeypatch.setattr(registry, "entry_points", found)
        return module

    return declare


def test_finds_the_four_small_robots():
    names = registry.names("tasks")
    assert set(names) >= SMALL
    assert names == sorted(names)
    assert "base" not in names


@pytest.mark.parametrize("group", BASES)
def test_every_name_loads_a_class_of_its_kind(group):
    assert registry.names(group)
    for name in registry.names(group):
        assert issubclass(registry.load(group, name, BASES[group]), BASES[group])


def test_unknown_robot_suggests_the_nearest_and_lists_all():
    with pytest.raises(UnknownName) as caught:
        registry.load("tasks", "carpole", Task)
    message = str(caught.value)
    assert message.startswith("unknown robot 'carpole'. Did you mean 'cart_pole'? Valid: ")
    assert set(message.split("Valid: ")[1].split(", ")) == set(registry.names("tasks"))
    assert "\n" not in message


@pytest.mark.parametrize("name", ["", "base", "__init__", "../pendulum", "tasks.pendulum", "os"])
def test_only_listed_names_are_imported(name):
    with pytest.raises(UnknownName, match=r"^unknown robot '"):
        registry.load("tasks", name, Task)


def test_robot_of_another_package(outside):
    module = outside(("acrobot", "outside.acrobot:Acrobot"))
    assert "acrobot" in registry.names("tasks")
    assert registry.load("tasks", "acrobot", Task) is module.Acrobot
    assert registry.load("tasks", "acrobot", Task)().name == "acrobot"
    assert registry.load("tasks", "pendulum", Task) is Pendulum


def test_the_same_entry_point_twice_is_one(outside):
    module = outside(("acrobot", "outside.acrobot:Acrobot"), ("acrobot", "outside.acrobot:Acrobot"))
    assert registry.load("tasks", "acrobot", Task) is module.Acrobot
    assert registry.names("tasks").count("acrobot") == 1


@pytest.mark.parametrize("points", [["pendulum"], ["acrobot", "acrobot"]])
def test_two_of_one_name_are_refused(outside, points):
    outside(*((name, f"outside.acrobot:Acrobot{'2' * i}") for i, name in enumerate(points)))
    with pytest.raises(GpcError, match=r"offered more than once, also by outside\.acrobot:Acrobot"):
        registry.load("tasks", points[0], Task)
    assert registry.load("tasks", "cart_pole", Task)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("outside.missing:Robot", "cannot be loaded"),
        ("outside.acrobot:Missing", "cannot be loaded"),
        ("outside.acrobot:not_a_class", "is no subclass of Task"),
        ("builtins:int", "is no subclass of Task"),
    ],
)
def test_entry_point_that_leads_nowhere(outside, value, complaint):
    outside(("broken", value))
    with pytest.raises(GpcError, match=f"'broken = {value}' {complaint}"):
        registry.load("tasks", "broken", Task)


@pytest.mark.parametrize("count", [0, 2])
def test_a_file_defines_exactly_one(monkeypatch, count):
    module = types.ModuleType("gpc_ros.tasks.crowd")
    module.Imported = Pendulum  # what a file imports is not its own
    for i in range(count):
        setattr(module, f"Robot{i}", type(f"Robot{i}", (Task,), {"__module__": module.__name__}))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(registry, "_own", lambda group: {"crowd"})
    with pytest.raises(GpcError, match=rf"crowd must define exactly one subclass of Task, found {count}"):
        registry.load("tasks", "crowd", Task)
