"""ROS parameters from pydantic models: declared once, with description, unit, range; set as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from gpc_ros.config import Parameters, make
from gpc_ros.errors import GpcError, InvalidParameter, UnknownName

P = TypeVar("P", bound=Parameters)


class NodeParameters(Generic[P]):
    """The parameters of one node: ``value`` is always one consistent, immutable set.

    ``tables`` gives the keys and defaults of dictionary fields, as the weights of a task's cost terms; each key becomes
    a parameter ``field.key``.
    """

    def __init__(self, node: Node, model: type[P], *, tables: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self._node = node
        self._model = model
        self._names: set[str] = set()
        self._listeners: list[Callable[[P], None]] = []
        self._checks: list[Callable[[P], object]] = []
        self._declare(model, "", tables or {}, {})
        _refuse_unknown(node, self._names)
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
            if isinstance(default, list):  # an empty list says nothing of its type
                declared = [Parameter.Type.STRING_ARRAY, Parameter.Type.INTEGER_ARRAY][field.annotation == list[int]]
                if field.annotation == list[float]:
                    declared = Parameter.Type.DOUBLE_ARRAY
                self._node.declare_parameter(name, declared, _descriptor(field, default))
            else:
                self._node.declare_parameter(name, default, _descriptor(field, default))
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise InvalidParameter(f"{self._node.get_name()}: {error}") from None
        self._names.add(name)

    def _build(self, changed: Mapping[str, Any]) -> P:
        nested: dict[str, Any] = {}
        for name in self._names:
            value = changed[name] if name in changed else self._node.get_parameter_or(name).value
            if value is None:
                continue
            *path, leaf = name.split(".")
            place = nested
            for part in path:
                place = place.setdefault(part, {})
            place[leaf] = list(value) if hasattr(value, "typecode") else value
        return make(self._model, nested, self._node.get_name())

    def _check(self, parameters: list[Parameter]) -> SetParametersResult:
        try:
            value = self._build({p.name: p.value for p in parameters if p.name in self._names})
            for check in self._checks:
                check(value)
        except GpcError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply(self, parameters: list[Parameter]) -> None:
        if any(p.name in self._names for p in parameters):
            self.value = self._build({p.name: p.value for p in parameters if p.name in self._names})
            for apply in self._listeners:
                apply(self.value)


def _refuse_unknown(node: Node, names: set[str]) -> None:
    """A misspelt name in a parameter file or on the command line would otherwise do nothing, silently."""
    own = names | {"use_sim_time", "start_type_description_service"}
    for name in node._parameter_overrides:  # noqa: SLF001 - rclpy keeps them nowhere else
        if name not in own and not name.startswith("qos_overrides."):
            raise UnknownName(f"parameter of {node.get_name()}", name, names)


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
        dynamic_typing=isinstance(default, float),  # so that "rate_hz:=500" is as good as "500.0"; the model checks
    )
    if low is not None and high is not None:
        if isinstance(default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
        elif isinstance(default, int) and not isinstance(default, bool):
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
    return descriptor
