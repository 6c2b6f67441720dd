"""What is said in several places agrees; what is installed is complete: laid out here as an installation does."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gpc_ros import __version__, spec

ROOT = Path(__file__).resolve().parents[2]
EXECUTABLES = ROOT / "executables"


@cache
def setup_keywords() -> dict[str, Any]:
    """What setup.py hands to setuptools."""
    setuptools = pytest.importorskip("setuptools")
    caught: dict[str, Any] = {}
    source = (ROOT / "setup.py").read_text()
    original, setuptools.setup = setuptools.setup, lambda **keywords: caught.update(keywords)
    try:
        exec(compile(source, "setup.py", "exec"), {"__file__": str(ROOT / "setup.py"), "__name__": "setup"})
    finally:
        setuptools.setup = original
    return caught


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A prefix with the data files laid out as an installation does."""
    for folder, names in setup_keywords()["data_files"]:
        for name in names:
            target = tmp_path / folder / Path(name).name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    return tmp_path


def requirements() -> list[Requirement]:
    keywords = setup_keywords()
    extras = [line for extra in keywords["extras_require"].values() for line in extra]
    return [Requirement(line) for line in keywords["install_requires"] + extras]


def lock() -> dict[str, str]:
    lines = [
        line for line in (ROOT / "requirements" / "lock.txt").read_text().splitlines() if line[:1] not in ("", "#")
    ]
    return dict(line.split("==") for line in lines)


def package_xml() -> ElementTree.Element:
    return ElementTree.parse(ROOT / "package.xml").getroot()


def test_one_version() -> None:
    assert package_xml().findtext("version") == setup_keywords()["version"] == __version__
    assert package_xml().findtext("name") == setup_keywords()["name"] == "gpc_ros"


def test_colcon_builds_it_as_ament_python() -> None:
    assert package_xml().findtext("export/build_type") == "ament_python"


def test_package_xml_names_every_message_package_of_the_table() -> None:
    named = {element.text for element in package_xml().iter("depend")}
    used = {topic.message.split("/")[0] for topic in spec.TOPICS.values()}
    assert used <= named
    assert {requirement.name for requirement in requirements() if requirement.name.startswith("ros-")} >= {
        f"ros-{name.replace('_', '-')}" for name in used
    }


def test_ros_is_never_a_hard_requirement() -> None:
    hard = [Requirement(line).name for line in setup_keywords()["install_requires"]]
    assert hard
    assert not [name for name in hard if name.startswith("ros-")]
    wheels = [Requirement(line) for line in setup_keywords()["extras_require"]["ros"]]
    for machine, wanted in (("x86_64", True), ("aarch64", False)):
        place = {"sys_platform": "linux", "platform_machine": machine}
        assert {bool(wheel.marker and wheel.marker.evaluate(place)) for wheel in wheels} == {wanted}


def test_every_requirement_is_locked_within_its_bounds() -> None:
    locked = lock()
    outside = [str(r) for r in requirements() if not r.specifier.contains(locked[canonicalize_name(r.name)])]
    assert outside == []


def test_every_requirement_but_those_of_testing_has_bounds() -> None:
    extras = setup_keywords()["extras_require"]
    for line in (*setup_keywords()["install_requires"], *extras["learning"], *extras["policy-gpu"]):
        operators = {bound.operator for bound in Requirement(line).specifier}
        assert {">=", "<"} <= operators, line


def test_what_testing_needs_contains_what_learning_and_the_demo_need() -> None:
    extras = setup_keywords()["extras_require"]
    assert set(extras["policy"]) < set(extras["learning"]) < set(extras["test"])
    assert set(extras["watch"]) < set(extras["test"])
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^\$\(VENV\)/demo.stamp:.*\n.*venv.sh policy,watch$", makefile, re.MULTILINE)


def test_inference_is_on_one_device_or_the_other() -> None:
    """Both packages of ONNX Runtime are the same module: beside each other they break."""
    extras = {name: " ".join(lines) for name, lines in setup_keywords()["extras_require"].items()}
    assert "onnxruntime-gpu" in extras["policy-gpu"]
    assert "onnxruntime>" not in extras["policy-gpu"]
    assert "onnxruntime-gpu" not in extras["policy"] + extras["test"]


def test_mujoco_4_0_0_is_refused() -> None:
    (mujoco,) = [requirement for requirement in requirements() if requirement.name == "mujoco"]
    assert not mujoco.specifier.contains("4.0.0")
    assert mujoco.specifier.contains("4.0.1")


def unlocked(wanted: list[Requirement], locked: dict[str, str]) -> set[str]:
    """Names that ``wanted`` lead to, as far as they are installed here, and that ``locked`` does not hold."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = list(wanted)
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in found:
            continue
        try:
            needed = distribution(requirement.name).requires or []
        except PackageNotFoundError:
            continue
        found.add(key)
        for entry in map(Requirement, needed):
            if entry.marker is None or any(entry.marker.evaluate({"extra": extra}) for extra in ("", *key[1])):
                waiting.append(entry)
    return {name for name, _ in found} - locked.keys()


def test_the_lock_holds_all_that_is_needed() -> None:
    locked = lock()
    assert unlocked(requirements(), locked) == set()
    assert unlocked(requirements(), {name: locked[name] for name in locked if name != "pluggy"}) == {"pluggy"}


def test_the_lock_names_versions_and_nothing_else() -> None:
    for line in (ROOT / "requirements" / "lock.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-z0-9-]+==[\w.]+", line), line


def test_executables_are_the_nodes_of_the_table() -> None:
    assert {path.name for path in EXECUTABLES.iterdir()} == set(spec.NODES)
    assert {path.resolve() for path in EXECUTABLES.iterdir()} == {ROOT / "resource" / "node"}


@pytest.mark.parametrize("node", spec.NODES.values(), ids=lambda node: node.name)
def test_a_node_can_be_run_as_a_module(node: spec.Node) -> None:
    tree = ast.parse((ROOT / (node.module.replace(".", "/") + ".py")).read_text())
    assert any(isinstance(entry, ast.FunctionDef) and entry.name == "main" for entry in tree.body)
    assert any(isinstance(entry, ast.If) and ast.unparse(entry.test) == "__name__ == '__main__'" for entry in tree.body)


def test_the_installed_tree_is_complete(prefix: Path) -> None:
    share = prefix / "share" / "gpc_ros"
    for folder in ("launch", "config", "models"):
        here = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()}
        there = {path.relative_to(share) for path in (share / folder).rglob("*") if path.is_file()}
        assert there == {path for path in here if "__pycache__" not in path.parts}
    assert (share / "package.xml").is_file()
    assert {path.name for path in (prefix / "lib" / "gpc_ros").iterdir()} == set(spec.NODES)


def test_the_ament_index_finds_it(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = pytest.importorskip("ament_index_python.packages")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(prefix))
    assert packages.get_package_prefix("gpc_ros") == str(prefix)
    assert (Path(packages.get_package_share_directory("gpc_ros")) / "launch" / "stack.launch.py").is_file()


def fake_python(path: Path, name: str) -> None:
    """An interpreter that tells its name and its arguments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho {name} "$@"\n')
    path.chmod(0o755)


@pytest.mark.parametrize("node", spec.NODES)
def test_an_executable_starts_its_node(prefix: Path, node: str) -> None:
    executable = prefix / "lib" / "gpc_ros" / node
    assert os.access(executable, os.X_OK)
    fake_python(prefix / "path" / "python3", "path")
    environment = {"PATH": f"{prefix / 'path'}:/usr/bin:/bin"}

    def started() -> str:
        command = [str(executable), "--ros-args", "-r", "__ns:=/a b"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert started() == f"path -P -m gpc_ros.nodes.{node} --ros-args -r __ns:=/a b\n"
    fake_python(prefix / "bin" / "python3", "own")  # a virtual environment's own Python goes first
    assert started().startswith("own ")


def test_console_script() -> None:
    (entry,) = setup_keywords()["entry_points"]["console_scripts"]
    name, module, function = re.fullmatch(r"(\w+) = ([\w.]+):(\w+)", entry).groups()  # type: ignore[union-attr]
    assert name == "gpc"
    assert callable(getattr(importlib.import_module(module), function))


def test_robot_parameter_files_name_nodes_of_the_table() -> None:
    for file in (ROOT / "config").glob("*.yaml"):
        for key in yaml.safe_load(file.read_text()):
            assert key.rsplit("/", 1)[-1] in {*spec.NODES, "train", "**"}, f"{file.name}: {key}"


def test_supported_pythons_agree() -> None:
    assert setup_keywords()["python_requires"] == ">=3.11"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["ruff"]["target-version"] == "py311"
    assert project["tool"]["mypy"]["python_version"] == "3.11"


def test_this_python_is_supported() -> None:
    assert (3, 11) <= sys.version_info[:2] <= (3, 13)
