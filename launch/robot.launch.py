"""The stack on a robot, whose driver publishes ``joint_states`` and takes ``command`` (ros2_control: an array)."""

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from gpc_ros import config, registry, spec
from gpc_ros.nodes import network

SWITCH = ["true", "false"]
ARGUMENTS = [
    DeclareLaunchArgument(name, default_value=default, choices=choices, description=description)
    for name, default, choices, description in (
        ("robot", "cart_pole", config.robots(), "Robot and its task"),
        ("planner", "", None, f"Who drives: {', '.join(registry.names('control'))}; empty: as the parameter file says"),
        ("rate", "", None, "Rate of the loop [Hz]; empty: as the parameter file says"),
        ("lockstep", "false", SWITCH, "Time advances only with the commands"),
        ("namespace", "", None, "Namespace of all nodes and topics: one per robot"),
        ("network", "closed", ["closed", "open"], "Whether other hosts can see and command the robot"),
        ("params_file", "", None, "Parameter file that overrules the robot's own"),
        ("commands_topic", "", None, "Commands also go here, in the form that forward_command_controller takes"),
        ("log_level", "info", ["debug", "info", "warn", "error"], "Least level that is logged"),
        ("simulator", "false", SWITCH, "Simulate the robot; stack.launch.py does"),
    )
]


def start(context: LaunchContext) -> list[Action]:
    """The nodes of the table, each restarted if it dies."""
    value = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    environment = network.environment(opened=value["network"] == "open")
    return [
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
        for node in spec.CONTROL.values()
        if value["simulator"] == "true" or not node.simulated
    ]


def parameters(node: spec.Node, value: dict[str, str]) -> list[str | dict[str, object]]:
    """The robot's file, then the user's, then the arguments; later ones prevail."""
    arguments: dict[str, object] = {"robot": value["robot"], "lockstep": value["lockstep"] == "true"}
    if value["rate"]:
        arguments["rate_hz"] = float(value["rate"])
    if node.name == "controller":
        chosen = {"planner": value["planner"], "command_array_topic": value["commands_topic"]}
        arguments |= {name: text for name, text in chosen.items() if text}
    files = [spec.parameters_file(value["robot"]), value["params_file"]]
    return [*(file for file in files if file), arguments]


def on_exit(event: ProcessExited, context: LaunchContext) -> Action | None:
    """End with a node that is done (0) or was started with a mistake (2), which would only be repeated."""
    if event.returncode not in (0, 2) or context.is_shutdown:
        return None
    return Shutdown()


def generate_launch_description() -> LaunchDescription:
    """The arguments, and what they start."""
    ending = RegisterEventHandler(OnProcessExit(on_exit=on_exit))
    return LaunchDescription([*ARGUMENTS, ending, OpaqueFunction(function=start)])
