"""Watch a stack that runs: ``ros2 launch gpc_ros monitor.launch.py robot:=cart_pole web:=true record:=recordings``."""

import importlib.util
import os
from pathlib import Path

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from gpc_ros import config, paths, spec
from gpc_ros.nodes import network

SWITCH = ["true", "false"]
ARGUMENTS = [
    DeclareLaunchArgument(name, default_value=default, choices=choices, description=description)
    for name, default, choices, description in (
        ("robot", "cart_pole", config.robots(), "Robot and its task"),
        ("rviz", "true", SWITCH, "RViz with the markers, where rviz2 is installed"),
        ("web", "false", SWITCH, "The page in the browser, where viser is installed"),
        ("record", "", None, "Folder to record the run in, as MCAP; empty: none"),
        ("rate", "", None, "Rate of the loop [Hz]; empty: as the parameter file says"),
        ("lockstep", "false", SWITCH, "The stack runs in lock-step"),
        ("namespace", "", None, "Namespace of the stack"),
        ("network", "closed", ["closed", "open"], "Whether the stack may be on other hosts"),
        ("params_file", "", None, "Parameter file that overrules the robot's own"),
        ("log_level", "info", ["debug", "info", "warn", "error"], "Least level that is logged"),
    )
]
NEEDED = {"web": "viser", "recorder": "mcap"}
VIEWER = "rviz2"


def start(context: LaunchContext) -> list[Action]:
    """The observers that are wanted, each restarted if it dies; a line for what is wanted and missing."""
    value = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    environment = network.environment(opened=value["network"] == "open")
    wanted = {"monitor": True, "web": value["web"] == "true", "recorder": bool(value["record"])}
    actions: list[Action] = []
    for name, module in NEEDED.items():
        if wanted[name] and importlib.util.find_spec(module) is None:
            actions.append(LogInfo(msg=f"no {name}: {module} is not installed (pip install {module})"))
            wanted[name] = False
    actions += [
        Node(
            package="gpc_ros",
            executable=node.name,
            namespace=value["namespace"],
            parameters=parameters(node, value),
            ros_arguments=["--log-level", value["log_level"]],
            additional_env=environment,
            output="screen",
            emulate_tty=True,
            respawn=True,
            respawn_delay=1.0,
        )
        for node in spec.OBSERVERS.values()
        if wanted[node.name]
    ]
    if value["rviz"] == "true":
        actions.append(viewer(value["namespace"], environment))
    return actions


def parameters(node: spec.Node, value: dict[str, str]) -> list[str | dict[str, object]]:
    """The robot's file, then the user's, then the arguments; later ones prevail."""
    arguments: dict[str, object] = {"robot": value["robot"], "lockstep": value["lockstep"] == "true"}
    if value["rate"]:
        arguments["rate_hz"] = float(value["rate"])
    if node.name == "recorder":
        arguments["folder"] = value["record"]
    files = [spec.parameters_file(value["robot"]), value["params_file"]]
    return [*(file for file in files if file), arguments]


def viewer(namespace: str, environment: dict[str, str]) -> Action:
    """RViz in the same network and namespace as the stack."""
    places = [Path(place) for place in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if place]
    if not any((place / "share" / VIEWER).is_dir() for place in places):
        return LogInfo(msg=f"no {VIEWER}: it is not installed (apt install ros-$ROS_DISTRO-{VIEWER}); markers go on")
    file = paths.share() / "config" / "rviz" / "gpc_ros.rviz"
    return Node(
        package=VIEWER,
        executable=VIEWER,
        namespace=namespace,
        arguments=["-d", str(file)],
        additional_env=environment,
        output="screen",
    )


def on_exit(event: ProcessExited, context: LaunchContext) -> Action | None:
    """End with an observer that was started with a mistake (2), which would only be repeated; not with the viewer."""
    if event.returncode != 2 or context.is_shutdown or event.process_name.startswith(VIEWER):
        return None
    return Shutdown()


def generate_launch_description() -> LaunchDescription:
    """The arguments, and what they start."""
    ending = RegisterEventHandler(OnProcessExit(on_exit=on_exit))
    return LaunchDescription([*ARGUMENTS, ending, OpaqueFunction(function=start)])
