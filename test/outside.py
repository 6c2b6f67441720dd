"""Packages outside of this one that bring a robot along, installed for a while: built as pip does, without network."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

FURUTA = Path(__file__).with_name("extension") / "furuta_robot"
_BUILD = "import sys, setuptools.build_meta as builder; builder.build_wheel(sys.argv[1])"


def install(package: Path, folder: Path) -> Path:
    """``package`` in a folder that has of it what site-packages would."""
    source, site = folder / "source", folder / "site"
    shutil.copytree(package, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    command = [sys.executable, "-c", _BUILD, str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(site)
    return site


def declare(folder: Path, files: dict[str, str], *points: str) -> Path:
    """A package of ``files`` with entry points for robots; the folder that it is installed in."""
    for name, text in {"bot-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: bot\nVersion: 1\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "bot-1.dist-info" / "entry_points.txt").write_text("\n".join(("[gpc_ros.tasks]", *points)))
    return folder


@contextlib.contextmanager
def visible(site: Path) -> Iterator[None]:
    """``site`` on the path, and afterwards nothing of it left."""
    before = set(sys.modules)
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(site))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(site)):
                del sys.modules[name]
