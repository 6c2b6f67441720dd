"""The whole stack on a simulated robot: ``ros2 launch gpc_ros stack.launch.py robot:=cart_pole planner:=spc``."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource


def generate_launch_description() -> LaunchDescription:
    """The nodes of robot.launch.py, and the simulator in the robot's place."""
    robot = PythonLaunchDescriptionSource(str(Path(__file__).with_name("robot.launch.py")))
    return LaunchDescription([IncludeLaunchDescription(robot, launch_arguments=[("simulator", "true")])])
