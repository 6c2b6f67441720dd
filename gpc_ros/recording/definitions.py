"""Message definitions as MCAP's ``ros2msg`` schemas hold them: a type and, behind it, every type that it contains."""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from pathlib import Path

from gpc_ros.errors import GpcError

_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_PRIMITIVES = {"bool", "byte", "char", "float32", "float64", "string", "wstring"} | _INTEGERS
_SEPARATOR = "=" * 80
_SIZES = re.compile(r"(<=\d+)?(\[[^]]*\])?$")


@lru_cache(maxsize=64)
def definition(kind: str) -> str:
    """The definition of ``kind`` (package/Type), from the .msg files that ROS 2 installs beside its Python modules.

    Raises:
        GpcError: if the .msg file of the type, or of one that it contains, is not installed.
    """
    texts: dict[str, str] = {}
    waiting = [kind]
    while waiting:
        name = waiting.pop(0)
        if name not in texts:
            texts[name] = _file(name).read_text()
            waiting += contained(texts[name], name.split("/")[0])
    first, *rest = texts
    return texts[first] + "".join(f"\n{_SEPARATOR}\nMSG: {name}\n{texts[name]}" for name in rest)


def contained(text: str, package: str) -> list[str]:
    """Types (package/Type) of the fields in ``text``, a .msg file of ``package``, but for primitive ones."""
    found = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if words and (name := _SIZES.sub("", words[0])) not in _PRIMITIVES:
            parts = name.split("/")
            found.append(f"{parts[0] if len(parts) > 1 else package}/{parts[-1]}")
    return found


def _file(kind: str) -> Path:
    package, _, name = kind.partition("/")
    module = importlib.util.find_spec(package)
    for place in (module.submodule_search_locations if module else None) or ():
        for prefix in Path(place).resolve().parents:
            file = prefix / "share" / package / "msg" / f"{name}.msg"
            if file.is_file():
                return file
    raise GpcError(f"no definition of {kind}: share/{package}/msg/{name}.msg is not installed")
