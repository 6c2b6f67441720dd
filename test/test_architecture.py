"""The rules of the house, read from the source: who may import what, sizes, banned calls, no tell-tale texts.

Each rule is a function from a file's path and source to complaints; the lower half shows that each one can complain.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from gpc_ros import spec

ROOT = Path(__file__).resolve().parents[1]
NODE_LINES, FILE_LINES, FUNCTION_LINES = 150, 350, 60

ROS = re.compile(r"^(rclpy|rosidl_\w+|ament_index_python|launch|launch_ros|tf2_\w+|\w+_(msgs|srvs|interfaces))$")
LEARNING = {"torch", "jax", "flax", "tensorboard", "tensorboardX", "onnxscript"}
ONNX = {"onnx", "onnxruntime"}
UNSAFE_MODULES = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"}
UNSAFE_CALLS = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "os.system", "os.popen", "torch.load"}
UNSAFE_OPTIONS = {("shell", True), ("allow_pickle", True), ("weights_only", False)}
GENERATORS = {"Generator", "RandomState", "default_rng", "SeedSequence", "PCG64", "BitGenerator"}

# What the modules below a folder may not import, wherever the import stands. The rest of the core obeys "".
SHELLS = ("gpc_ros.nodes", "gpc_ros.cli", "gpc_ros.learning")
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "": SHELLS,
    "tasks": (*SHELLS, "gpc_ros.control", "gpc_ros.sampling.rules", "gpc_ros.simulation", "gpc_ros.estimation"),
    "sampling": (*SHELLS, "gpc_ros.simulation", "gpc_ros.estimation"),
    "estimation": (*SHELLS, "gpc_ros.control", "gpc_ros.sampling", "gpc_ros.simulation"),
    "simulation": (*SHELLS, "gpc_ros.control", "gpc_ros.sampling", "gpc_ros.estimation"),
    "control": (*SHELLS, "gpc_ros.simulation", "gpc_ros.estimation"),
    "policy": (*SHELLS, "gpc_ros.control", "gpc_ros.simulation", "gpc_ros.estimation"),
    "nodes": ("gpc_ros.cli", "gpc_ros.learning"),
    "learning": ("gpc_ros.nodes", "gpc_ros.cli"),
    "cli": (),
}


def imports(path: str, source: str) -> Iterator[tuple[str, int, bool]]:
    """Every imported name as (dotted name, line, whether inside a function)."""
    package = PurePosixPath(path).parent.parts

    def walk(node: ast.AST, inside: bool) -> Iterator[tuple[str, int, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, child.lineno, inside) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                above = package[: len(package) - child.level + 1] if child.level else ()
                origin = ".".join([*above, *([child.module] if child.module else [])])
                yield from ((f"{origin}.{alias.name}", child.lineno, inside) for alias in child.names)
            yield from walk(child, inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    return walk(ast.parse(source), False)


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def layer(path: str) -> str:
    folder = PurePosixPath(path).parts[1]
    return folder if folder in FORBIDDEN else ""


def wrong_imports(path: str, source: str) -> list[str]:
    here = layer(path)
    found = []
    for name, line, lazily in imports(path, source):
        top = name.split(".")[0]
        if within(name, FORBIDDEN[here]):
            found.append(f"{path}:{line}: {here or 'core'} must not import {name}")
        elif ROS.match(top) and here != "nodes" and not (here == "cli" and lazily):
            found.append(f"{path}:{line}: only nodes import {name} (cli: inside functions)")
        elif top in LEARNING and here != "learning" and not (here == "cli" and lazily):
            found.append(f"{path}:{line}: only learning imports {name} (cli: inside functions)")
        elif top in ONNX and here != "policy" and not (here == "cli" and lazily):
            found.append(f"{path}:{line}: only policy imports {name} (cli: inside functions)")
        elif here == "cli" and not lazily and within(name, ("gpc_ros.nodes", "gpc_ros.learning")):
            found.append(f"{path}:{line}: cli imports {name} inside functions only")
    return found


def wrong_launch_imports(path: str, source: str) -> list[str]:
    allowed = {"launch", "launch_ros", "gpc_ros"} | set(sys.stdlib_module_names)
    return [
        f"{path}:{line}: a launch file must not import {name}"
        for name, line, _ in imports(path, source)
        if name.split(".")[0] not in allowed
    ]


def too_long(path: str, source: str) -> list[str]:
    is_node = path in {node.module.replace(".", "/") + ".py" for node in spec.NODES.values()}
    limit = NODE_LINES if is_node else FILE_LINES
    found = [f"{path}: {lines} lines, limit {limit}"] if (lines := source.count("\n")) > limit else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                found.append(f"{path}:{node.lineno}: {node.name} has {lines} lines, limit {FUNCTION_LINES}")
    return found


def unsafe(path: str, source: str) -> list[str]:
    found = [
        f"{path}:{line}: {name} runs what it reads"
        for name, line, _ in imports(path, source)
        if name.split(".")[0] in UNSAFE_MODULES
    ]
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in UNSAFE_CALLS:
            found.append(f"{path}:{node.lineno}: {called}()")
        if called in ("time.time", "time.time_ns"):
            found.append(f"{path}:{node.lineno}: {called}() jumps; use the steady clock or ROS time")
        if (drawn := re.match(r"(?:np|numpy)\.random\.(\w+)", called)) and drawn[1] not in GENERATORS:
            found.append(f"{path}:{node.lineno}: {called}() is global; take a Generator")
        for keyword in node.keywords:
            if isinstance(keyword.value, ast.Constant) and (keyword.arg, keyword.value.value) in UNSAFE_OPTIONS:
                found.append(f"{path}:{node.lineno}: {called}({keyword.arg}={keyword.value.value})")
    return found


_PLACES = "home|root|Users|work|opt|workspace"
_HOSTS = "pypi|pythonhosted|npmjs"
TELL_TALES = re.compile(rf"(?<![\w.}}\])*>-])/(?:{_PLACES})/[\w.]+|https?://[^ ]*(?:{_HOSTS})[.]")


def tell_tales(path: str, source: str) -> list[str]:
    return [
        f"{path}:{number}: {found[0]}"
        for number, line in enumerate(source.splitlines(), 1)
        if (found := TELL_TALES.search(line))
    ]


def files(folder: str, *patterns: str) -> list[tuple[str, str]]:
    paths = {path for pattern in patterns for path in (ROOT / folder).rglob(pattern) if path.is_file()}
    return [(path.relative_to(ROOT).as_posix(), path.read_text()) for path in sorted(paths)]


def repository_texts() -> list[tuple[str, str]]:
    """Every text file that belongs to the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = []
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and b"\0" not in (content := path.read_bytes()):
            found.append((name, content.decode(errors="replace")))
    return found


PACKAGE = files("gpc_ros", "*.py")


@pytest.mark.parametrize("rule", [wrong_imports, too_long, unsafe])
def test_the_package_keeps(rule: Callable[[str, str], list[str]]) -> None:
    assert len(PACKAGE) > 10
    assert [complaint for path, source in PACKAGE for complaint in rule(path, source)] == []


@pytest.mark.parametrize("rule", [wrong_launch_imports, too_long, unsafe])
def test_launch_files_keep(rule: Callable[[str, str], list[str]]) -> None:
    launch_files = files("launch", "*.launch.py")
    assert launch_files
    assert [complaint for path, source in launch_files for complaint in rule(path, source)] == []


def test_no_machine_paths_or_registry_hosts() -> None:
    assert [complaint for path, text in repository_texts() for complaint in tell_tales(path, text)] == []


BLOCKED = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"{{name}} is not to be needed", name=name)

sys.meta_path.insert(0, Absent())
for name in {modules!r}:
    importlib.import_module(name)
"""


def import_without(absent: set[str], modules: list[str]) -> str:
    code = BLOCKED.format(absent=absent, modules=modules)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def modules_of(*, nodes: bool) -> list[str]:
    names = [path.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for path, _ in PACKAGE]
    return [name for name in names if name.startswith("gpc_ros.nodes") == nodes and ".learning" not in name]


def test_the_core_needs_neither_ros_nor_torch() -> None:
    assert import_without({"rclpy", "sensor_msgs", "torch", "jax"}, modules_of(nodes=False)) == ""


def test_all_but_the_policy_need_no_onnx() -> None:
    names = [name for name in modules_of(nodes=False) if not name.startswith("gpc_ros.policy")]
    light = ["gpc_ros.policy.architecture", "gpc_ros.policy.metadata"]
    assert import_without({"onnx", "onnxruntime", "torch", "rclpy"}, [*names, *light]) == ""


@pytest.mark.ros
def test_the_nodes_need_neither_torch_nor_onnx() -> None:
    pytest.importorskip("rclpy")
    assert import_without({"torch", "jax", "casadi", "onnx", "onnxruntime"}, modules_of(nodes=True)) == ""


def test_an_absent_module_is_noticed() -> None:
    assert "is not to be needed" in import_without({"colorsys"}, ["colorsys"])


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("gpc_ros/clock.py", "import rclpy"),
        ("gpc_ros/estimation/ekf.py", "def f():\n    from sensor_msgs.msg import JointState"),
        ("gpc_ros/signals.py", "def f():\n    import torch"),
        ("gpc_ros/nodes/spc.py", "import torch.nn"),
        ("gpc_ros/policy/graph.py", "import torch"),
        ("gpc_ros/control/policy.py", "def f():\n    import onnxruntime"),
        ("gpc_ros/learning/export.py", "from onnx import helper"),
        ("gpc_ros/nodes/spc.py", "from gpc_ros import cli"),
        ("gpc_ros/tasks/x.py", "from gpc_ros.control.base import Planner"),
        ("gpc_ros/tasks/x.py", "from gpc_ros import control"),
        ("gpc_ros/tasks/x.py", "import gpc_ros.sampling.rules.mppi"),
        ("gpc_ros/tasks/x.py", "from ..nodes import codec"),
        ("gpc_ros/cli/up.py", "from gpc_ros.nodes import shell"),
        ("gpc_ros/cli/up.py", "import rclpy"),
        ("gpc_ros/new_folder/x.py", "from gpc_ros.nodes import shell"),
    ],
)
def test_wrong_imports_are_noticed(path: str, source: str) -> None:
    assert len(wrong_imports(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("gpc_ros/nodes/spc.py", "import rclpy\nfrom sensor_msgs.msg import Imu\nfrom gpc_ros.control import spc"),
        ("gpc_ros/cli/up.py", "def run():\n    import rclpy\n    from gpc_ros.nodes import shell"),
        ("gpc_ros/learning/train.py", "import torch"),
        ("gpc_ros/policy/graph.py", "import onnx\nimport onnxruntime"),
        ("gpc_ros/cli/check.py", "def f():\n    from onnx.reference import ReferenceEvaluator"),
        ("gpc_ros/tasks/x.py", "import numpy as np\nfrom gpc_ros.sampling.spline import read"),
        ("gpc_ros/tasks/x.py", "text = 'import rclpy'"),
    ],
)
def test_right_imports_pass(path: str, source: str) -> None:
    assert wrong_imports(path, source) == []


@pytest.mark.parametrize("source", ["import numpy", "from rclpy.node import Node"])
def test_wrong_launch_imports_are_noticed(source: str) -> None:
    assert len(wrong_launch_imports("launch/x.launch.py", source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("gpc_ros/nodes/simulator.py", "x = 1\n" * (NODE_LINES + 1)),
        ("gpc_ros/nodes/codec.py", "x = 1\n" * (FILE_LINES + 1)),
        ("gpc_ros/clock.py", "def f():\n" + "    x = 1\n" * FUNCTION_LINES),
    ],
)
def test_long_files_and_functions_are_noticed(path: str, source: str) -> None:
    assert len(too_long(path, source)) == 1
    assert too_long(path, source.removesuffix("x = 1\n").rstrip(" ")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from cloudpickle import load",
        "eval('1')",
        "yaml.load(text)",
        "subprocess.run('ls', shell=True)",
        "np.load(file, allow_pickle=True)",
        "torch.load(file)",
        "now = time.time()",
        "np.random.normal(size=3)",
        "numpy.random.seed(0)",
    ],
)
def test_unsafe_code_is_noticed(source: str) -> None:
    assert len(unsafe("gpc_ros/x.py", source)) == 1


@pytest.mark.parametrize(
    "source", ["yaml.safe_load(text)", "np.random.default_rng(0)", "time.monotonic()", "net.eval()"]
)
def test_safe_code_passes(source: str) -> None:
    assert unsafe("gpc_ros/x.py", source) == []


@pytest.mark.parametrize("text", ["see {0}home{0}me{0}x", "'{0}root{0}.cache'", "https:{0}{0}py" + "pi.example"])
def test_tell_tales_are_noticed(text: str) -> None:
    assert len(tell_tales("README.md", text.format("/"))) == 1


@pytest.mark.parametrize("text", ["~/ros2_ws/src", "$base/lib/gpc_ros", "https://example.org/home/x", "/proc/net/udp"])
def test_common_paths_pass(text: str) -> None:
    assert tell_tales("README.md", text) == []
