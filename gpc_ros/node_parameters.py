"""The parameters of every node: those of its class, and those that all nodes share."""

from __future__ import annotations

from collections.abc import Mapping

from gpc_ros.config import Parameters, parameter
from gpc_ros.control.executive import ExecutiveParameters
from gpc_ros.control.policy import PolicyParameters
from gpc_ros.control.spc import SpcParameters
from gpc_ros.errors import InvalidParameter
from gpc_ros.estimation.parameters import EstimatorParameters
from gpc_ros.signals import NS_PER_S
from gpc_ros.simulation.parameters import SimulationParameters


class RealtimeParameters(Parameters):
    """What a process asks of the operating system."""

    priority: int = parameter(
        40, "SCHED_FIFO priority of all threads; 0: leave the scheduler alone", read_only=True, ge=0, le=90
    )
    planner_nice: int = parameter(
        -10, "niceness of a thread that plans: below the loop, above other programs", read_only=True, ge=-20, le=19
    )
    cores: list[int] = parameter([], "cores to run on; empty: any", read_only=True)
    lock_memory: bool = parameter(True, "keep all memory resident (mlockall)", read_only=True)
    freeze_gc: bool = parameter(True, "no garbage collection in the loop", read_only=True)


class SharedParameters(Parameters):
    """What all nodes of a stack must agree on."""

    robot: str = parameter("cart_pole", "robot and task", read_only=True)
    rate_hz: float = parameter(500.0, "rate of the loop", unit="Hz", read_only=True, ge=1, le=2000)
    lockstep: bool = parameter(False, "time advances only with the command for each tick", read_only=True)
    report: str = parameter("", "file for the figures of the run, written at the end as JSON", read_only=True)
    realtime: RealtimeParameters = RealtimeParameters()

    @property
    def period_ns(self) -> int:
        """Loop period [ns]."""
        return round(NS_PER_S / self.rate_hz)


class SimulatorParameters(SharedParameters, SimulationParameters):
    """Node ``simulator``."""

    duration_s: float = parameter(0.0, "end after this much simulated time; 0: never", unit="s", read_only=True, ge=0)
    real_time_factor: float = parameter(1.0, "simulated seconds per second", gt=0, le=10, read_only=True)
    publish_clock: bool = parameter(False, "publish /clock for nodes with use_sim_time", read_only=True)


class EstimatorNodeParameters(SharedParameters, EstimatorParameters):
    """Node ``estimator``."""

    refuse_future: bool = parameter(False, "refuse stamps ahead of the clock: for a robot, not for simulated time")
    actuation_delay_s: float = parameter(0.0, "a command takes effect this late", unit="s", ge=0, le=0.1)


class SpcNodeParameters(SharedParameters, SpcParameters):
    """Node ``spc``."""

    lead: bool = parameter(True, "plan from where the robot will be when the plan is ready; in lock-step that is now")
    seed_periods: float = parameter(
        2.0, "samples of the policy are used for so long", unit="periods of plan_rate_hz", gt=0, le=100
    )

    @property
    def seed_age_ns(self) -> int:
        """Age [ns] beyond which samples of the policy are not used."""
        return round(self.seed_periods * NS_PER_S / self.plan_rate_hz)


class PolicyServerParameters(SharedParameters, PolicyParameters):
    """Node ``policy_server``."""

    plan_rate_hz: float = parameter(
        50.0, "replans of seeded_spc per second, as the planner's", unit="Hz", gt=0, le=1000
    )


class ControllerParameters(SharedParameters, ExecutiveParameters):
    """Node ``controller``."""

    command_array_topic: str = parameter(
        "", "also publish commands as std_msgs/Float64MultiArray here, for ros2_control", read_only=True
    )


class ObserverParameters(SharedParameters):
    """Nodes that only watch: they ask for no real-time rights."""

    realtime: RealtimeParameters = RealtimeParameters(priority=0, lock_memory=False, freeze_gc=False)


class MonitorParameters(ObserverParameters):
    """Node ``monitor``."""

    marker_rate_hz: float = parameter(20.0, "rate of the markers", unit="Hz", gt=0, le=100)
    candidates: int = parameter(8, "candidate rollouts that are drawn; 0: none", ge=0, le=64)
    tf: bool = parameter(True, "publish /tf of the bodies; off where robot_state_publisher does")
    window_s: int = parameter(5, "how far latencies and misses reach back", unit="s", read_only=True, ge=1, le=60)


class WebParameters(ObserverParameters):
    """Node ``web``."""

    host: str = parameter("127.0.0.1", "address that the page listens on; 0.0.0.0: all, for anybody", read_only=True)
    port: int = parameter(8080, "its port; the next free one where it is taken", read_only=True, ge=1, le=65_535)
    frame_rate_hz: float = parameter(25.0, "rate of the moving picture", unit="Hz", gt=0, le=60)


class RecorderParameters(ObserverParameters):
    """Node ``recorder``."""

    folder: str = parameter("", "folder for the recording; empty: the present one", read_only=True)
    queue: int = parameter(20_000, "messages that may wait to be written; more are dropped and counted", ge=1)
    depth: int = parameter(
        5000, "messages of a topic that the middleware keeps until they are taken", read_only=True, ge=1, le=100_000
    )
    niceness: int = parameter(
        -10, "of the process: a busy machine shall lose no message; 0: as it was started", read_only=True, ge=-20, le=19
    )


PARAMETERS: dict[str, type[SharedParameters]] = {
    "simulator": SimulatorParameters,
    "estimator": EstimatorNodeParameters,
    "policy_server": PolicyServerParameters,
    "spc": SpcNodeParameters,
    "controller": ControllerParameters,
    "monitor": MonitorParameters,
    "web": WebParameters,
    "recorder": RecorderParameters,
}


def check_together(parameters: Mapping[str, SharedParameters]) -> None:
    """Refuse nodes, by name, that would wait for each other for ever.

    Raises:
        InvalidParameter: names the parameter that must be the same, and each node's value.
    """
    for name in ("robot", "rate_hz", "lockstep", "plan_rate_hz", "policy_rate_hz"):
        found = {node: getattr(given, name) for node, given in parameters.items() if hasattr(given, name)}
        if len(set(found.values())) > 1:
            each = ", ".join(f"{node}: {value}" for node, value in found.items())
            raise InvalidParameter(f"{name} must be the same for all nodes, is {each}")
