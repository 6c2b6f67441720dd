"""``docs/reference.md``: every topic, node, parameter, planner, update rule and robot, from where each is declared."""

from __future__ import annotations

import enum
import inspect
import json
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gpc_ros import registry, spec
from gpc_ros.control.base import Planner
from gpc_ros.node_parameters import PARAMETERS, SharedParameters
from gpc_ros.sampling.rules.base import UpdateRule
from gpc_ros.tasks.base import Task

_HEAD = """# Reference

Made by `gpc reference --out docs/reference.md` from the tables and models in the source; not to be edited by hand.
Words and ideas are explained in [concepts.md](concepts.md).
"""
_TOPICS = """Names are relative: in a namespace, `/robot_1/command`. `free_joint` stands for the name of a floating base
or of a free object, as in `payload/odometry`. **state**: best effort, keep last 1 (in lock-step: reliable, keep last
8). **latched**: reliable, transient local, keep last 1. **event**: reliable, keep last 10.
"""
_PARAMETERS = """`ros2 param describe /spc noise` says the same of a running node. They are set in the robot's file
`config/<robot>.yaml`, with `-p NODE.NAME=VALUE` for `gpc`, and, where the column *set* says *any time*, with
`ros2 param set`. Nested names are joined by dots.
"""
_SHARED = """These are parameters of every node, and must be the same for all nodes of a stack, but for `report` and
`realtime`."""
_TRAIN = "The section `train` of the robot's file; `gpc train ROBOT -p train.NAME=VALUE`. Nodes do not read it."
Row = tuple[str, ...]
_API = re.compile(r"^(Args|Returns|Raises|Yields|Attributes):")


@dataclass(frozen=True, slots=True)
class Entry:
    """One parameter: dotted ``name``, its pydantic ``field``, and its ``default``, which an outer model may change.

    ``default`` is None for a table with an entry for each cost term: then it is the robot's.
    """

    name: str
    field: FieldInfo
    default: Any

    @property
    def row(self) -> Row:
        """Name, type, default, unit, range, when it can be set, description."""
        extra = self.field.json_schema_extra if isinstance(self.field.json_schema_extra, dict) else {}
        when = "launch" if extra.get("read_only") else "any time"
        about = _cell(self.field.description or "")
        kind, unit = type_of(self.field.annotation), _cell(str(extra.get("unit", "")))
        return f"`{self.name}`", kind, _value(self.default), unit, range_of(self.field), when, about


def markdown(sections: Mapping[str, type[BaseModel]]) -> str:
    """The whole reference; ``sections`` are parameter models beside those of the nodes, by their name in the file."""
    parts = [_HEAD, "## Topics\n", _TOPICS, _topics(), "## Nodes\n", _nodes(), "## Parameters\n", _PARAMETERS]
    shared = list(entries(SharedParameters))
    parts += ["### All nodes\n", _SHARED, "", _parameters(shared)]
    known = {(entry.name, repr(entry.default)) for entry in shared}
    for name, model in PARAMETERS.items():
        own = [entry for entry in entries(model) if (entry.name, repr(entry.default)) not in known]
        parts += [f"### {name}\n", _parameters(own)]
    for name, section in sections.items():
        parts += [f"### {name}\n", _TRAIN, "", _parameters(list(entries(section)), when=False)]
    parts += ["## Planners\n", "`controller.planner`; what `gpc up --planner` takes.\n", *_group("control", Planner)]
    parts += ["## Update rules\n", "`spc.rule`.\n", *_group("sampling.rules", UpdateRule)]
    parts += ["## Robots\n", *_robots()]
    return "\n".join(parts).rstrip() + "\n"


def entries(model: type[BaseModel], prefix: str = "", values: Mapping[str, Any] | None = None) -> Iterator[Entry]:
    """The parameters of ``model``, nested ones joined by dots; ``values`` are defaults that stand over its own."""
    for name, field in model.model_fields.items():
        default = (values or {}).get(name, field.get_default(call_default_factory=True))
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from entries(kind, f"{prefix}{name}.", dict(default))
        elif typing.get_origin(kind) is dict:
            yield Entry(f"{prefix}{name}.<term>", field, None)
        else:
            yield Entry(prefix + name, field, default)


def type_of(kind: Any) -> str:
    """A field's type in a word: of a choice, what there is to choose from."""
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return " ".join(f"`{member.value}`" for member in kind)
    if typing.get_origin(kind) is Literal:
        return " ".join(f"`{value}`" for value in typing.get_args(kind))
    if typing.get_origin(kind) is dict:
        return type_of(typing.get_args(kind)[1])
    return kind.__name__ if isinstance(kind, type) and not isinstance(kind, types.GenericAlias) else str(kind)


def range_of(field: FieldInfo) -> str:
    """The valid numbers as an interval, as in (0, 10]; empty where all are."""
    low, high = "(-∞", "∞)"
    for limit in field.metadata:
        if isinstance(limit, Ge | Gt):
            low = f"[{limit.ge:g}" if isinstance(limit, Ge) else f"({limit.gt:g}"
        elif isinstance(limit, Le | Lt):
            high = f"{limit.le:g}]" if isinstance(limit, Le) else f"{limit.lt:g})"
    return "" if (low, high) == ("(-∞", "∞)") else f"{low}, {high}"


def prose(docstring: str) -> str:
    """A docstring as Markdown: without what is told to programmers alone (arguments, errors)."""
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    kept = [paragraph for paragraph in paragraphs if not _API.match(paragraph)]
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in kept)
    return re.sub(r"(?<!`)``(?!`)", "`", text).replace("*", r"\*")


def _topics() -> str:
    rows = []
    for topic in spec.TOPICS.values():
        writers = [f"`{node.name}`" for node in spec.NODES.values() if topic.name in node.outputs]
        readers = [f"`{node.name}`" for node in spec.NODES.values() if topic.name in node.inputs]
        what = f"`{topic.name}`", topic.message, topic.qos.value, _cell(topic.content)
        rows.append((*what, _list(writers), _list(readers)))
    return _table(("topic", "type", "carried", "content", "written by", "read by"), rows)


def _nodes() -> str:
    rows = []
    for node in spec.NODES.values():
        place = "simulation only" if node.simulated else "only watches" if node.observer else "drives"
        topics = [_list(f"`{name}`" for name in names) for names in (node.inputs, node.outputs)]
        rows.append((f"`{node.name}`", place, _cell(node.purpose), *topics))
    return _table(("node", "", "what it is", "reads", "writes"), rows)


def _parameters(found: Iterable[Entry], *, when: bool = True) -> str:
    head: Row = ("parameter", "type", "default", "unit", "range", "set", "meaning")
    lines = [head, *(entry.row for entry in found)]
    head, *rows = lines if when else [(*line[:5], *line[6:]) for line in lines]
    return _table(head, rows)


def _group(group: str, base: type) -> Iterator[str]:
    for name in registry.names(group):
        yield f"### {name}\n\n{prose(registry.load(group, name, base).__doc__ or '')}\n"


def _robots() -> Iterator[str]:
    for name in registry.names("tasks"):
        task: type[Task] = registry.load("tasks", name, Task)
        about = [prose(task.__doc__ or "")]
        for kind, weights in (("Running", task.running_weights), ("Terminal", task.terminal_weights)):
            terms = ", ".join(f"`{term}` {weight:g}" for term, weight in weights.items())
            about.append(f"{kind} cost, terms and weights: {terms}.")
        goal = ", ".join(f"{n} {v:g}" for n, v in zip(task.goal_names, task.goal, strict=False))
        about.append(f"Named start: `{task.named_start}`. Goal: {goal or 'none'}. A run lasts {task.episode_s:g} s.")
        yield f"### {name}\n\n" + "\n\n".join(about) + "\n"


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _value(default: Any) -> str:
    if default is None:
        return "the robot's"
    if isinstance(default, enum.Enum):
        default = default.value
    text = f"{default:g}" if isinstance(default, float) else json.dumps(default, ensure_ascii=False)
    return f"`{_cell(text)}`"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "nobody here"


def _cell(text: str) -> str:
    """Text that a table's cell can hold."""
    return " ".join(text.split()).replace("|", r"\|").replace("*", r"\*")
