"""The graph: one table of topics, one of nodes.

``gpc up``, the launch files and the README's graph are made from these tables.
Message types are strings, so that this file needs no ROS.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gpc_ros import config


class Qos(StrEnum):
    """How a topic is carried."""

    STATE = "state"  # best effort, keep last 1 (in lock-step: reliable, keep last 8, the last 200 for a late recorder)
    LATCHED = "latched"  # reliable, transient local, keep last 1
    EVENT = "event"  # reliable, keep last 10


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: relative ``name``, ``message`` type as package/Type, how it is carried, what it holds in which units.

    In the name of a topic that each free joint has for itself, ``free_joint`` stands for the name of the joint.
    """

    name: str
    message: str
    qos: Qos
    content: str

    def of(self, joint: str) -> str:
        """The name for the free joint ``joint``; without one, that of the table."""
        return self.name.replace("free_joint", joint) if joint else self.name


@dataclass(frozen=True, slots=True)
class Node:
    """A node: the topics it reads and writes. Its module and executable are ``gpc_ros.nodes.<name>`` and ``<name>``."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    purpose: str
    simulated: bool = False
    observer: bool = False
    """Whether it only watches: the robot drives on without it."""

    @property
    def module(self) -> str:
        """The Python module that holds the node."""
        return f"gpc_ros.nodes.{self.name}"


_TOPICS = (
    Topic(
        "joint_states",
        "sensor_msgs/JointState",
        Qos.STATE,
        "measured joints [rad or m, per s]; stamp: measurement time",
    ),
    Topic(
        "free_joint/odometry",
        "nav_msgs/Odometry",
        Qos.STATE,
        "measured pose in the world [m] and twist in the body's frame [m/s, rad/s] of a free joint",
    ),
    Topic("state_estimate", "sensor_msgs/JointState", Qos.STATE, "estimate of all nv coordinates [rad or m, per s]"),
    Topic("state_estimate/covariance", "std_msgs/Float64MultiArray", Qos.EVENT, "(2nv, 2nv) of the estimate, at 10 Hz"),
    Topic("ground_truth", "sensor_msgs/JointState", Qos.STATE, "as state_estimate, from the simulator"),
    *(
        Topic(f"{planner}/plan", "trajectory_msgs/JointTrajectory", Qos.STATE, "knots by actuator [actuator units]")
        for planner in ("policy", "spc", "seeded_spc")
    ),
    Topic("policy/samples", "std_msgs/Float64MultiArray", Qos.STATE, "(N, K, nu) candidate plans [actuator units]"),
    Topic("command", "sensor_msgs/JointState", Qos.STATE, "actuator commands; stamp: that of the measurement answered"),
    Topic(
        "spc/candidates",
        "std_msgs/Float64MultiArray",
        Qos.EVENT,
        "(N, 1 + K nu) cost and knots of some candidates, at 10 Hz while somebody listens",
    ),
    Topic(
        "push",
        "geometry_msgs/WrenchStamped",
        Qos.EVENT,
        "force and torque on the body frame_id for 0.1 s, world axes [N, N m]",
    ),
    Topic(
        "goal_pose",
        "geometry_msgs/PoseStamped",
        Qos.LATCHED,
        "goal [m] in the frame world; of one that is no place, its names are the frame",
    ),
    Topic("controller/active", "std_msgs/String", Qos.LATCHED, "planner that drives now"),
    Topic("controller/wanted", "std_msgs/String", Qos.LATCHED, "planners that shall plan, joined by commas"),
    Topic("controller/stop", "std_msgs/Bool", Qos.EVENT, "true: stop and stay stopped; false: drive on"),
    Topic("/clock", "rosgraph_msgs/Clock", Qos.STATE, "simulated time, when asked for"),
    Topic(
        "/diagnostics", "diagnostic_msgs/DiagnosticArray", Qos.EVENT, "rates, latencies, counters of every node at 1 Hz"
    ),
    Topic(
        "markers",
        "visualization_msgs/MarkerArray",
        Qos.EVENT,
        "robot, ground truth, plan, candidates, goal [m], while somebody listens",
    ),
    Topic("robot_description", "std_msgs/String", Qos.LATCHED, "the robot as URDF, for RViz"),
)
TOPICS = {topic.name: topic for topic in _TOPICS}

_MEASURED = ("joint_states", "state_estimate", "command")
_PLANS = ("policy/plan", "spc/plan", "seeded_spc/plan")
_SAID = ("controller/active", "controller/wanted")
_NODES = (
    Node(
        "simulator",
        ("command", "goal_pose", "push"),
        ("joint_states", "free_joint/odometry", "ground_truth", "goal_pose", "/clock", "/diagnostics"),
        "MuJoCo physics, sensors and actuators",
        simulated=True,
    ),
    Node(
        "estimator",
        ("joint_states", "free_joint/odometry", "command"),
        ("state_estimate", "state_estimate/covariance", "/diagnostics"),
        "error-state EKF",
    ),
    Node(
        "policy_server",
        ("state_estimate", "spc/plan", "seeded_spc/plan", "goal_pose", "controller/wanted"),
        ("policy/plan", "policy/samples", "/diagnostics"),
        "flow policy on ONNX Runtime",
    ),
    Node(
        "spc",
        ("state_estimate", "command", "policy/plan", "policy/samples", "goal_pose", *_SAID),
        ("spc/plan", "seeded_spc/plan", "spc/candidates", "/diagnostics"),
        "sampling-based predictive control, alone and seeded by the policy",
    ),
    Node(
        "controller",
        ("state_estimate", "policy/plan", "spc/plan", "seeded_spc/plan", "controller/stop"),
        ("command", "controller/active", "controller/wanted", "/diagnostics"),
        "selects a plan, limits, watches, commands",
    ),
    Node(
        "monitor",
        (*_MEASURED, "ground_truth", *_PLANS, "spc/candidates", "goal_pose", "controller/active", "/diagnostics"),
        ("markers", "robot_description", "/diagnostics"),
        "rates and latencies through the stack; markers for RViz",
        observer=True,
    ),
    Node(
        "web",
        (*_MEASURED, "ground_truth", *_PLANS, "spc/candidates", "goal_pose", "controller/active", "/diagnostics"),
        ("goal_pose", "push", "controller/stop", "/diagnostics"),
        "the page in the browser",
        observer=True,
    ),
    Node(
        "recorder",
        (
            *(*_MEASURED, "free_joint/odometry", "ground_truth", *_PLANS, "policy/samples"),
            *("goal_pose", "push", "controller/stop", *_SAID, "/clock", "/diagnostics"),
        ),
        ("/diagnostics",),
        "writes to an MCAP file whatever makes a node act, and what it does",
        observer=True,
    ),
)
NODES = {node.name: node for node in _NODES}
CONTROL = {name: node for name, node in NODES.items() if not node.observer}
OBSERVERS = {name: node for name, node in NODES.items() if node.observer}


def plan_topic(planner: str) -> str:
    """The topic on which ``planner`` publishes its plans."""
    return f"{planner}/plan"


def planner_of(topic: str) -> str:
    """The planner whose plans ``topic`` carries; an empty text if it carries none."""
    return topic.removesuffix("/plan") if topic.endswith("/plan") else ""


def status_name(node: str, namespace: str = "/") -> str:
    """What ``node`` is called in /diagnostics, as in ``gpc_ros/left/controller`` for the namespace /left."""
    return "/".join(filter(None, ("gpc_ros", namespace.strip("/"), node)))


def parameters_file(robot: str) -> str:
    """Path of the ROS parameter file of ``robot``.

    Raises:
        UnknownName: if there is none; lists the robots that have one.
    """
    return str(config.file_of(robot))


def graph() -> str:
    """The nodes that control as Mermaid text: topics on the arrows from writer to reader. Observers read all."""
    lines = ["graph LR"]
    for topic in TOPICS:
        writers = [node.name for node in CONTROL.values() if topic in node.outputs]
        readers = [node.name for node in CONTROL.values() if topic in node.inputs]
        lines += [f"  {a} -- {topic} --> {b}" for a in writers for b in readers if a != b]
    return "\n".join(lines)
