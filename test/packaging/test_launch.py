"""The launch files start the nodes of the table, run here against stand-ins for ROS 2's launch, which PyPI lacks."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from gpc_ros import config, spec
from gpc_ros.errors import GpcError, UnknownName

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
STAND_INS = {
    "launch": ["LaunchContext", "LaunchDescription", "Action"],
    "launch.actions": [
        "DeclareLaunchArgument",
        "IncludeLaunchDescription",
        "LogInfo",
        "OpaqueFunction",
        "RegisterEventHandler",
        "Shutdown",
    ],
    "launch.event_handlers": ["OnProcessExit"],
    "launch.events": [],
    "launch.events.process": ["ProcessExited"],
    "launch.launch_description_sources": ["PythonLaunchDescriptionSource"],
    "launch.substitutions": [],
    "launch_ros": [],
    "launch_ros.actions": ["Node"],
}


class Recorded(SimpleNamespace):
    """Keeps what it was made with; of several positional values the first is also its name."""

    def __init__(self, *values: Any, **keywords: Any) -> None:
        super().__init__(values=values, name=values[0] if values else None, **keywords)


class LaunchConfiguration(Recorded):
    def perform(self, context: dict[str, str]) -> str:
        return context[self.name]


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, classes in STAND_INS.items():
        module = ModuleType(name)
        for each in classes:
            setattr(module, each, type(each, (Recorded,), {}))
        if name == "launch.substitutions":
            module.LaunchConfiguration = LaunchConfiguration  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delenv("ROS_STATIC_PEERS", raising=False)


def load(name: str) -> Any:
    path = LAUNCH / f"{name}.launch.py"
    description = importlib.util.spec_from_file_location(name, path)
    assert description is not None
    assert description.loader is not None
    module = importlib.util.module_from_spec(description)
    description.loader.exec_module(module)
    return module


def start(**chosen: str) -> dict[str, Any]:
    """The nodes that robot.launch.py starts with ``chosen`` arguments, by name."""
    module = load("robot")
    defaults = {argument.name: argument.default_value for argument in module.ARGUMENTS}
    assert chosen.keys() <= defaults.keys()
    return {node.executable: node for node in module.start(defaults | chosen)}


def test_the_robot_gets_every_node_but_the_simulated() -> None:
    assert list(start()) == [name for name, node in spec.CONTROL.items() if not node.simulated]


def test_the_stack_gets_every_node() -> None:
    assert list(start(simulator="true")) == list(spec.CONTROL)
    (include,) = load("stack").generate_launch_description().values[0]
    assert include.launch_arguments == [("simulator", "true")]
    assert include.values[0].values == (str(LAUNCH / "robot.launch.py"),)


@pytest.mark.parametrize("name", ["robot", "monitor"])
def test_every_argument_is_described_and_its_default_valid(name: str) -> None:
    for argument in load(name).ARGUMENTS:
        assert argument.description
        assert argument.choices is None or argument.default_value in argument.choices


@pytest.mark.parametrize("name", ["robot", "monitor"])
def test_every_robot_with_a_parameter_file_is_a_choice(name: str) -> None:
    (robot,) = [argument for argument in load(name).ARGUMENTS if argument.name == "robot"]
    assert robot.choices == config.robots()


def test_parameters_go_from_the_robots_to_the_users_to_the_arguments() -> None:
    nodes = start(
        robot="pendulum", planner="hold", rate="250", lockstep="true", params_file="mine.yaml", commands_topic="forward"
    )
    shared = {"robot": "pendulum", "rate_hz": 250.0, "lockstep": True}
    files = [spec.parameters_file("pendulum"), "mine.yaml"]
    assert nodes["estimator"].parameters == [*files, shared]
    assert nodes["controller"].parameters == [*files, shared | {"planner": "hold", "command_array_topic": "forward"}]


def test_what_is_not_said_is_left_to_the_file() -> None:
    assert start(robot="pendulum")["controller"].parameters == [
        spec.parameters_file("pendulum"),
        {"robot": "pendulum", "lockstep": False},
    ]


def test_every_node_is_named_spaced_and_restarted() -> None:
    for node in start(simulator="true", namespace="left", log_level="debug").values():
        assert (node.package, node.namespace, node.respawn) == ("gpc_ros", "left", True)
        assert node.ros_arguments == ["--log-level", "debug"]


def test_the_network_is_closed_unless_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = start()["controller"].additional_env
    assert closed["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert Path(closed["FASTDDS_DEFAULT_PROFILES_FILE"]).is_file()
    assert "FASTDDS_DEFAULT_PROFILES_FILE" not in start(network="open")["controller"].additional_env
    monkeypatch.setenv("ROS_STATIC_PEERS", "10.1.2.3")
    with pytest.raises(GpcError, match="ROS_STATIC_PEERS"):
        start()
    assert start(network="open")


@pytest.fixture
def viewer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where rviz2 is installed, in the second of two places."""
    (tmp_path / "second" / "share" / "rviz2").mkdir(parents=True)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'first'}:{tmp_path / 'second'}")


@pytest.fixture
def no_viewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)


def watch(**chosen: str) -> tuple[dict[str, Any], list[str]]:
    """The nodes that monitor.launch.py starts with ``chosen`` arguments, by name, and what it says."""
    module = load("monitor")
    defaults = {argument.name: argument.default_value for argument in module.ARGUMENTS}
    assert chosen.keys() <= defaults.keys()
    actions = module.start(defaults | chosen)
    said = [action.msg for action in actions if type(action).__name__ == "LogInfo"]
    return {action.executable: action for action in actions if type(action).__name__ == "Node"}, said


@pytest.mark.usefixtures("viewer")
def test_the_monitor_comes_with_the_viewer_in_its_network_and_namespace() -> None:
    nodes, said = watch(namespace="left")
    assert (list(nodes), said) == (["monitor", "rviz2"], [])
    viewer = nodes["rviz2"]
    assert (viewer.package, viewer.namespace) == ("rviz2", "left")
    assert viewer.additional_env == nodes["monitor"].additional_env
    option, file = viewer.arguments
    assert option == "-d"
    assert Path(file).is_file()


@pytest.mark.usefixtures("no_viewer")
def test_without_the_viewer_the_monitor_starts_and_says_what_is_missing() -> None:
    nodes, said = watch()
    assert list(nodes) == ["monitor"]
    assert len(said) == 1
    assert said[0].startswith("no rviz2: it is not installed (apt install ")
    assert watch(rviz="false")[1] == []


def test_page_and_recording_come_when_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    nodes, said = watch(rviz="false", web="true", record="some/folder", rate="250", params_file="mine.yaml")
    assert (list(nodes), said) == (list(spec.OBSERVERS), [])
    shared = {"robot": "cart_pole", "rate_hz": 250.0, "lockstep": False}
    files = [spec.parameters_file("cart_pole"), "mine.yaml"]
    assert nodes["monitor"].parameters == nodes["web"].parameters == [*files, shared]
    assert nodes["recorder"].parameters == [*files, shared | {"folder": "some/folder"}]
    for node in nodes.values():
        assert (node.package, node.respawn) == ("gpc_ros", True)


def test_without_its_library_an_observer_is_left_out_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    nodes, said = watch(rviz="false", web="true", record="some/folder")
    assert list(nodes) == ["monitor"]
    assert [line.split(" (")[0] for line in said] == [
        "no web: viser is not installed",
        "no recorder: mcap is not installed",
    ]
    assert watch(rviz="false")[1] == []


@pytest.mark.parametrize(
    ("process", "code", "ends"),
    [("monitor-1", 2, True), ("monitor-1", 0, False), ("web-2", -9, False), ("rviz2-3", 2, False)],
)
def test_a_mistake_of_an_observer_ends_the_watching_and_closing_the_viewer_does_not(
    process: str, code: int, ends: bool
) -> None:
    context = SimpleNamespace(is_shutdown=False)
    action = load("monitor").on_exit(SimpleNamespace(returncode=code, process_name=process), context)
    assert (type(action).__name__ == "Shutdown") is ends


def test_an_unknown_robot_is_refused() -> None:
    with pytest.raises(UnknownName, match="pendulum"):
        start(robot="pendulums")


@pytest.mark.parametrize(
    ("code", "shutting_down", "ends"),
    [(0, False, True), (2, False, True), (1, False, False), (-9, False, False), (0, True, False)],
)
def test_mistakes_end_the_launch_and_crashes_do_not(code: int, shutting_down: bool, ends: bool) -> None:
    context = SimpleNamespace(is_shutdown=shutting_down)
    action = load("robot").on_exit(SimpleNamespace(returncode=code), context)
    assert (type(action).__name__ == "Shutdown") is ends
