"""ROS parameters from pydantic models: declared once, with description, unit, range; set as a whole or not at all."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from gpc_ros.config import Parameters, make
from gpc_ros.errors import GpcError, InvalidParameter, UnknownName

P = TypeVar("P", bound=Parameters)
_OF_RCLPY = {"use_sim_time", "start_type_description_service"}


class NodeParameters(Generic[P]):
    """The parameters of one node: ``value`` is always one consistent, immutable set.

    ``node`` must allow undeclared parameters, for it is here that they are refused, with the list of those there are.
    ``tables`` gives the keys and defaults of dictionary fields, as the weights of a task's cost terms; each key becomes
    a parameter ``field.key``.
    """

    def __init__(self, node: Node, model: type[P], *, tables: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self._node = node
        self._model = model
        self._kinds: dict[str, _Kind] = {}
        self._listeners: list[Callable[[P], None]] = []
        self._checks: list[Callable[[P], object]] = []
        self._declare(model, "", tables or {}, {})
        for name in node._parameter_overrides:  # noqa: SLF001 - rclpy keeps them nowhere else
            self._refuse_unknown(name)
        self.value = self._build({})
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._apply)

    def on_change(self, apply: Callable[[P], None], *, check: Callable[[P], object] | None = None) -> None:
        """Have ``apply`` called with every new set. ``check`` is asked first and raises GpcError to refuse it."""
        self._listeners.append(apply)
        if check is not None:
            self._checks.append(check)

    def _declare(
        self,
        model: type[BaseModel],
        prefix: str,
        tables: Mapping[str, Mapping[str, float]],
        defaults: Mapping[str, Any],
    ) -> None:
        for name, field in model.model_fields.items():
            kind, default = field.annotation, defaults.get(name, field.get_default(call_default_factory=True))
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                self._declare(kind, f"{prefix}{name}.", tables, dict(default))
            elif getattr(kind, "__origin__", kind) is dict:
                for key, weight in tables.get(name, {}).items():
                    self._declare_one(f"{prefix}{name}.{key}", weight, field)
            else:
                self._declare_one(prefix + name, default, field)

    def _declare_one(self, name: str, default: Any, field: FieldInfo) -> None:
        try:
            self._node.declare_parameter(name, default, _descriptor(field, default))
        except InvalidParameterValueException as error:
            raise InvalidParameter(f"{self._node.get_name()}: {error}") from None
        self._kinds[name] = _Kind.of(default, field)

    def _refuse_unknown(self, name: str) -> None:
        """A misspelt name in a parameter file or on the command line would otherwise do nothing, silently."""
        if name not in self._kinds.keys() | _OF_RCLPY and not name.startswith("qos_overrides."):
            raise UnknownName(f"parameter of {self._node.get_name()}", name, self._kinds)

    def _build(self, changed: Mapping[str, Any]) -> P:
        nested: dict[str, Any] = {}
        for name, kind in self._kinds.items():
            value = changed[name] if name in changed else self._node.get_parameter_or(name).value
            value = list(value) if isinstance(value, array) else value
            if not kind.fits(value):
                raise InvalidParameter(f"{self._node.get_name()}: {name} = {value!r:.80} must be {kind.words}")
            *path, leaf = name.split(".")
            place = nested
            for part in path:
                place = place.setdefault(part, {})
            place[leaf] = value
        return make(self._model, nested, self._node.get_name())

    def _check(self, parameters: list[Parameter]) -> SetParametersResult:
        try:
            for p in parameters:
                self._refuse_unknown(p.name)
            value = self._build({p.name: p.value for p in parameters})
            for check in self._checks:
                check(value)
        except GpcError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply(self, parameters: list[Parameter]) -> None:
        if any(p.name in self._kinds for p in parameters):
            self.value = self._build({p.name: p.value for p in parameters})
            for apply in self._listeners:
                apply(self.value)


_WORDS: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a parameter's values are, stricter than pydantic, so that ROS and the node never hold different ones."""

    item: type
    is_list: bool

    @staticmethod
    def of(default: Any, field: FieldInfo) -> _Kind:
        if isinstance(default, list):
            return _Kind(get_args(field.annotation)[0], True)
        return _Kind(next(item for item in _WORDS if isinstance(default, item)), False)

    @property
    def words(self) -> str:
        return f"a list, each item {_WORDS[self.item]}" if self.is_list else _WORDS[self.item]

    def fits(self, value: Any) -> bool:
        if self.is_list:
            return isinstance(value, list) and all(map(self._fits_one, value))
        return self._fits_one(value)

    def _fits_one(self, value: Any) -> bool:
        if isinstance(value, bool):  # in Python a whole number too
            return self.item is bool
        return isinstance(value, (int, float) if self.item is float else self.item)


def _descriptor(field: FieldInfo, default: Any) -> ParameterDescriptor:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    limits = {type(limit): limit for limit in field.metadata}
    low = limits[Ge].ge if Ge in limits else limits[Gt].gt if Gt in limits else None
    high = limits[Le].le if Le in limits else limits[Lt].lt if Lt in limits else None
    unit = f" [{extra['unit']}]" if extra.get("unit") else ""
    descriptor = ParameterDescriptor(
        description=f"{field.description}{unit}",
        additional_constraints=", ".join(map(str, field.metadata)),
        read_only=bool(extra.get("read_only")),
        dynamic_typing=True,  # so that "rate_hz:=500" is as good as "500.0"; _Kind checks
    )
    if low is not None and high is not None:
        if isinstance(default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
        elif isinstance(default, int) and not isinstance(default, bool):
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
    return descriptor
