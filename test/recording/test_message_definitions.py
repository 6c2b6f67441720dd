"""Definitions of messages: complete, and read by others as they are meant."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from gpc_ros import spec
from gpc_ros.errors import GpcError
from gpc_ros.recording import definitions

pytest.importorskip("sensor_msgs.msg", reason="needs the ROS package sensor_msgs")
KINDS = sorted({topic.message for topic in spec.TOPICS.values()})


def parts(kind: str) -> dict[str, str]:
    """Texts by type."""
    first, *rest = definitions.definition(kind).split("\n" + "=" * 80 + "\n")
    found = {kind: first}
    for part in rest:
        head, _, text = part.partition("\n")
        assert head.startswith("MSG: ")
        found[head.removeprefix("MSG: ")] = text
    return found


def fields(text: str) -> Iterator[tuple[str, str]]:
    """Type and name of every field; constants have an equals sign."""
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if words and "=" not in line.split("#")[0]:
            yield words[0].split("[")[0].split("/")[-1], words[1]


def plain(kind: str) -> str:
    """A type as rclpy says it, as .msg files do, without sizes."""
    inner = kind.split("<")[-1].split(">")[0].split("[")[0].split(",")[0].split("/")[-1]
    return {"float": "float32", "double": "float64", "boolean": "bool", "octet": "byte"}.get(inner, inner)


def message(kind: str) -> Any:
    package, _, name = kind.partition("/")
    return getattr(import_module(f"{package}.msg"), name)


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_inside_has_the_fields_of_its_class(kind: str) -> None:
    found = parts(kind)
    for name, text in found.items():
        expected = message(name).get_fields_and_field_types()
        assert list(fields(text)) == [(plain(type_), field) for field, type_ in expected.items()]
        assert set(definitions.contained(text, name.split("/")[0])) <= found.keys()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("float64[36] covariance", []),
        ("string<=10[<=5] names  # Header header", []),
        ("uint8 KEEP=1", []),
        ("string A='#'", []),
        ("", []),
        ("Header header", ["own_msgs/Header"]),
        ("std_msgs/Header header", ["std_msgs/Header"]),
        ("  geometry_msgs/Point[] points", ["geometry_msgs/Point"]),
        ("Thing[<=3] things", ["own_msgs/Thing"]),
    ],
)
def test_types_are_found_in_any_line(line: str, found: list[str]) -> None:
    assert definitions.contained(line, "own_msgs") == found


@pytest.mark.parametrize("kind", ["sensor_msgs/Nothing", "no_such_package/Thing"])
def test_a_type_that_is_not_installed_is_named(kind: str) -> None:
    with pytest.raises(GpcError, match=f"no definition of {kind}: share/.*{kind.split('/')[1]}.msg is not installed"):
        definitions.definition(kind)


def test_files_lie_beside_any_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lib" / "python3" / "site-packages" / "my_msgs"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    share = tmp_path / "share" / "my_msgs" / "msg"
    share.mkdir(parents=True)
    (share / "Pair.msg").write_text("One left\nOne right\n")
    (share / "One.msg").write_text("float64 value")
    monkeypatch.setattr(sys, "path", [str(package.parent), *sys.path])
    assert parts("my_msgs/Pair") == {"my_msgs/Pair": "One left\nOne right\n", "my_msgs/One": "float64 value"}
