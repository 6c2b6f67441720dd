"""Parameters: declared once as pydantic models, read from the robots' ROS parameter files.

One file ``config/<robot>.yaml`` per robot serves ``ros2 launch``, ``gpc up`` and ``gpc eval`` alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict

from gpc_ros import paths, registry
from gpc_ros.errors import GpcError, InvalidParameter, UnknownName

_MAX_BYTES = 100_000  # no parameter file of ours comes near; a bomb does
_MAX_SHOWN = 80  # characters of a wrong value that an error quotes


class Parameters(BaseModel):
    """Base of all parameter sets: immutable, no unknown names, no NaN or infinity, nesting joined by dots in ROS."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def parameter(default: Any, description: str, *, unit: str = "", read_only: bool = False, **limits: Any) -> Any:
    """A field of ``Parameters``: default, description, unit and limits (``ge``, ``gt``, ``le``, ``lt``).

    ``read_only`` fields are set at launch and not afterwards.
    """
    extra: JsonDict = {"unit": unit, "read_only": read_only}
    if isinstance(default, (dict, list)):
        value = default
        return Field(default_factory=lambda: value.copy(), description=description, json_schema_extra=extra, **limits)
    return Field(default, description=description, json_schema_extra=extra, **limits)


P = TypeVar("P", bound=Parameters)


def make(model: type[P], values: dict[str, Any], where: str) -> P:
    """``model(**values)``, with errors as one line that names ``where``, the field, the value and what is valid.

    Raises:
        InvalidParameter: a value of the wrong type or out of range.
        UnknownName: a name that the model does not have.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _one_line(error, model, where) from None


def _one_line(error: ValidationError, model: type[BaseModel], where: str) -> GpcError:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return UnknownName(f"parameter of {where}", name, valid_names(model))
    value = repr(first["input"])
    shown = value if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]}..."
    return InvalidParameter(f"{where}: {name} = {shown}: {first['msg']}")


def valid_names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """All parameter names of ``model``, nested ones joined by dots."""
    found: list[str] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += valid_names(field.annotation, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def robots() -> list[str]:
    """Names of the robots that have a parameter file, those of other packages among them."""
    own = {path.stem for path in (paths.share() / "config").glob("*.yaml")}
    guests = {name for name, home in registry.folders().items() if (home / "config" / f"{name}.yaml").is_file()}
    return sorted(own | guests)


def file_of(robot: str) -> Path:
    """The parameter file of ``robot``.

    Raises:
        UnknownName: if there is no such robot; lists those that have a file.
        GpcError: if a robot has no file; says where it is looked for.
    """
    file = paths.home(robot) / "config" / f"{robot}.yaml"
    if robot in robots():
        return file
    if robot in registry.names("tasks"):
        raise GpcError(f"{robot} has no parameter file: {file}")
    raise UnknownName("robot", robot, robots())


class _Loader(yaml.SafeLoader):
    """Plain values only. ROS reads no aliases either, and by them a short file swells to any size."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=self.peek_event().start_mark)
        return super().compose_node(parent, index)


def read(file: Path) -> dict[str, dict[str, Any]]:
    """Parameters by node name of a ROS parameter file (``/**/node: {ros__parameters: {...}}``).

    Raises:
        GpcError: if the file is missing, too large, not YAML, or not of this form; names file and line.
    """
    content = _parse(file)
    if not isinstance(content, dict):
        raise GpcError(f"{file}: expected node names at the top level")
    nodes: dict[str, dict[str, Any]] = {}
    for key, body in content.items():
        node = str(key).rsplit("/", 1)[-1]
        if node in nodes or "*" in node:
            raise GpcError(f"{file}: '{key}' must name one node, once, as /**/simulator does")
        if not isinstance(body, dict) or set(body) != {"ros__parameters"}:
            raise GpcError(f"{file}: '{key}' must hold 'ros__parameters' and nothing else")
        nodes[node] = body["ros__parameters"] or {}
        if not isinstance(nodes[node], dict):
            raise GpcError(f"{file}: 'ros__parameters' of '{key}' must hold names and values")
    return nodes


def _parse(file: Path) -> Any:
    try:
        with file.open("rb") as stream:
            text = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise GpcError(f"{file}: {error.strerror}") from None
    if len(text) > _MAX_BYTES:
        raise GpcError(f"{file}: larger than {_MAX_BYTES} bytes")
    try:
        return _Loader(text).get_single_data()
    # PyYAML lets more than its own errors through: on nonsense dates, numbers, tags, and on deep nesting.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise GpcError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from None


def load(robot: str, node: str, model: type[P], /, **overrides: Any) -> P:
    """Parameters of ``node`` for ``robot``: defaults, then the robot's file, then ``overrides`` (nested by dots).

    A node that the file does not speak of is of that robot all the same.

    Raises:
        UnknownName: if the robot has no parameter file, or a parameter does not exist.
        InvalidParameter: for a value of the wrong type or out of range.
        GpcError: if the file cannot be read.
    """
    values: dict[str, Any] = {"robot": robot} if "robot" in model.model_fields else {}
    for name, value in (*_flat(read(file_of(robot)).get(node, {})), *overrides.items()):
        values = _set(values, name.split("."), value)
    return make(model, values, node)


def _flat(values: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Values by dotted name: a ROS parameter file may nest names, join them by dots, or both."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _set(values: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    if len(path) == 1:
        return {**values, path[0]: value}
    inner = values.get(path[0], {})
    if not isinstance(inner, dict):
        raise InvalidParameter(f"{path[0]} = {inner!r} cannot hold '{'.'.join(path[1:])}'")
    return {**values, path[0]: _set(inner, path[1:], value)}
