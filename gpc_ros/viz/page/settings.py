"""Parameters as controls: what to show of a pydantic field, from its type, limits, unit and description."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gpc_ros import registry

_FEW = 20.0  # a limit up to so many times the default is the end of the slider
_REACH = 5.0  # beyond, so many times the default is
_STEPS = 200
_REGISTERED = {"rule": "sampling.rules", "planner": "control", "fallback": "control"}
"""Parameters whose valid texts are the names of a registry."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A live parameter of a node and the control that fits it.

    ``choices`` are the valid texts of a text; ``low``, ``high`` and ``step`` those of a number, of a ``whole`` one
    integers. A number may lie beyond ``high``, which is where the slider ends, as long as the node accepts it.
    """

    node: str
    name: str
    default: Any
    hint: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0

    @property
    def label(self) -> str:
        """The name as people say it."""
        return self.name.rsplit(".", 1)[-1].removesuffix("_s").replace("_", " ")


def settings(node: str, model: type[BaseModel], names: Sequence[str]) -> list[Setting]:
    """Settings of ``names`` of ``node``, in this order; a name that ends with a dot stands for all below it.

    Left out is what is fixed at launch, and what no control fits: lists, free texts.

    Raises:
        KeyError: for a name that ``model`` does not have.
    """
    fields = dict(_fields(model))
    wanted: list[str] = []
    for given in names:
        wanted += [name for name in fields if name.startswith(given)] if given.endswith(".") else [given]
    found = (_setting(node, name, *fields[name]) for name in wanted)
    return [setting for setting in found if setting is not None]


def _fields(
    model: type[BaseModel], prefix: str = "", given: BaseModel | None = None
) -> Iterator[tuple[str, tuple[FieldInfo, Any]]]:
    """Every field by its dotted name, with its default."""
    for name, field in model.model_fields.items():
        default = getattr(given, name) if given is not None else field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            yield from _fields(type(default), f"{prefix}{name}.", default)
        else:
            yield prefix + name, (field, default)


def _setting(node: str, name: str, field: FieldInfo, default: Any) -> Setting | None:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    unit = f" [{extra['unit']}]" if extra.get("unit") else ""
    hint = f"{node}: {field.description}{unit}"
    if extra.get("read_only") or isinstance(default, list):
        return None
    if isinstance(default, bool):
        return Setting(node, name, default, hint)
    if isinstance(default, str):
        choices = _choices(name, field)
        return Setting(node, name, str(default), hint, choices=choices) if choices else None
    if isinstance(default, (int, float)):
        return Setting(node, name, default, hint, (), *_range(field, default))
    return None


def _choices(name: str, field: FieldInfo) -> tuple[str, ...]:
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return tuple(str(value) for value in kind)
    if get_origin(kind) is Literal:
        return tuple(get_args(kind))
    return tuple(registry.names(_REGISTERED[name])) if name in _REGISTERED else ()


def _range(field: FieldInfo, default: float) -> tuple[float, float, float]:
    """Where a slider begins, where it ends, and its steps."""
    limits = {type(limit): limit for limit in field.metadata}
    low = limits[Ge].ge if Ge in limits else limits[Gt].gt if Gt in limits else 0
    limit = limits[Le].le if Le in limits else limits[Lt].lt if Lt in limits else None
    high = limit if limit is not None and (default <= 0 or limit <= _FEW * default) else _REACH * (default or 1)
    if isinstance(default, int):
        return int(low), max(int(high), int(low) + 1), 1
    step = (high - low) / _STEPS
    return (low + step if Gt in limits else low), (high - step if limit == high and Lt in limits else high), step
