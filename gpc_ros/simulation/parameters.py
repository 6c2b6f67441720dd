"""Parameters of the simulated plant."""

from __future__ import annotations

from gpc_ros.config import Parameters, parameter


class NoiseParameters(Parameters):
    """Standard deviations of white noise."""

    position: float = parameter(1e-3, "of measured positions", unit="rad or m", ge=0, le=10)
    velocity: float = parameter(1e-2, "of measured velocities", unit="rad/s or m/s", ge=0, le=100)
    pose_position: float = parameter(2e-3, "of a free joint's measured position", unit="m", ge=0, le=10)
    pose_rotation: float = parameter(5e-3, "of its orientation", unit="rad", ge=0, le=10)
    twist_linear: float = parameter(0.05, "of its linear velocity", unit="m/s", ge=0, le=100)
    twist_angular: float = parameter(0.05, "of its angular velocity", unit="rad/s", ge=0, le=100)
    acceleration: float = parameter(
        0.0, "of disturbing accelerations on every degree of freedom", unit="rad/s^2 or m/s^2", ge=0
    )


class FaultParameters(Parameters):
    """Faults that can be switched on while running, to see what the stack does."""

    drop: float = parameter(0.0, "share of measurements that are lost", ge=0, le=1)
    outlier: float = parameter(0.0, "share of measurements with an outlier", ge=0, le=1)
    outlier_size: float = parameter(1.0, "size of an outlier", unit="rad or m", ge=0)
    stuck: bool = parameter(False, "positions repeat their last value")
    nonfinite: bool = parameter(False, "positions are not a number")


EXACT_SENSORS = {f"noise.{name}": 0.0 for name in NoiseParameters.model_fields if name != "acceleration"}
"""Parameters by dotted name with which sensors have no noise."""


class SimulationParameters(Parameters):
    """The plant: sensors, delays, model error, where it starts."""

    physics_step_s: float = parameter(0.0, "physics time step; 0: the loop period", unit="s", ge=0, le=0.02)
    solver_iterations: int = parameter(
        0, "iterations of the constraint solver per physics step; 0: as the model, which plans", ge=0, le=1000
    )
    measure_velocity: bool = parameter(False, "whether the sensors give velocities too")
    noise: NoiseParameters = NoiseParameters()
    faults: FaultParameters = FaultParameters()
    measurement_delay_s: float = parameter(0.0, "a measurement arrives this late", unit="s", ge=0, le=0.1)
    actuation_delay_s: float = parameter(0.0, "a command takes effect this late", unit="s", ge=0, le=0.1)
    model_error: list[str] = parameter(
        [], "scaled fields of the MuJoCo model, as 'body_mass=1.5' or 'body_mass:pole=1.5'", read_only=True
    )
    start: str = parameter("random", "'random', 'named', or a keyframe of the model")
    goal: list[float] = parameter([], "numbers of the task's goal, in place of the start's; empty: the start's")
    seed: int = parameter(0, "of starts, noise and faults", read_only=True, ge=0)
    command_timeout_s: float = parameter(
        0.02, "without a command for this long the plant applies its safe one", unit="s", gt=0
    )
