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


def test_every_argument_is_described_and_its_default_valid() -> None:
    for argument in load("robot").ARGUMENTS:
        assert argument.description
        assert argument.choices is None or argument.default_value in argument.choices


def test_every_robot_with_a_parameter_file_is_a_choice() -> None:
    (robot,) = [argument for argument in load("robot").ARGUMENTS if argument.name == "robot"]
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
