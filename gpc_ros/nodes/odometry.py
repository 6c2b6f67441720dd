"""Measurements over ROS: ``joint_states``, and nav_msgs/Odometry on ``<joint>/odometry`` for each free joint.

An odometry's pose is in the frame ``world``, its twist in the frame of the body, as the standard has it. A covariance
of the twist that begins with -1 says that the twist is not measured (as in sensor_msgs/Imu).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

import mujoco
import numpy as np

from gpc_ros.estimation.assembly import Assembly
from gpc_ros.nodes import cdr
from gpc_ros.nodes.codec import Codec, positive
from gpc_ros.signals import NS_PER_S, Array, Measurement
from gpc_ros.simulation.parameters import NoiseParameters, SimulationParameters
from gpc_ros.simulation.sensing import Sensing
from gpc_ros.tasks.base import Task

TOPIC = "free_joint/odometry"
_FRAME = "world"
_UNKNOWN = np.zeros(36)
_UNKNOWN[0] = -1.0


def encode(measurement: Measurement, joint: str, noise: NoiseParameters) -> bytes:
    """The part of free ``joint`` of ``measurement`` as nav_msgs/Odometry, with the covariances of ``noise``."""
    pose, twist = measurement.readings[f"{joint}/pose"], measurement.readings.get(f"{joint}/twist")
    values = np.empty(85)
    values[:3], values[3:6], values[6] = pose[:3], pose[4:], pose[3]  # ROS has the quaternion's w last
    values[7:43] = _covariance(noise.pose_position, noise.pose_rotation)
    values[43:49] = 0.0 if twist is None else twist
    values[49:] = _UNKNOWN if twist is None else _covariance(noise.twist_linear, noise.twist_angular)
    head, layout = _layout(joint)
    return layout.pack(cdr.LITTLE_ENDIAN, *divmod(measurement.stamp_ns, NS_PER_S), head, *values)


def decode(data: bytes, joint: str) -> Measurement:
    """What nav_msgs/Odometry bytes say of free ``joint``.

    Raises:
        InvalidSignal: if the bytes are no plain little-endian Odometry, or the stamp is not positive.
    """
    reader = cdr.Reader(data)
    sec, nanosec = reader.take("iI")
    reader.text()
    reader.text()
    values = reader.fixed(85)
    readings = {f"{joint}/pose": values[[0, 1, 2, 6, 3, 4, 5]]}
    if values[49] >= 0.0:
        readings[f"{joint}/twist"] = values[43:49].copy()
    return Measurement(positive(cdr.time_of(sec, nanosec)), readings)


@lru_cache(maxsize=64)
def _layout(joint: str) -> tuple[bytes, struct.Struct]:
    """What stands between the stamp and the first value, and the layout of the whole."""
    head = cdr.text_of(_FRAME) + cdr.text_of(joint)
    return head, struct.Struct(f"<4siI{len(head)}s{-len(head) % 8}x85d")


@lru_cache(maxsize=8)
def _covariance(linear: float, angular: float) -> Array:
    """Row by row (36,), of standard deviations."""
    return np.diag(np.repeat([linear**2, angular**2], 3)).ravel()


def rehearse(task: Task, codec: Codec, period_ns: int, ticks: int) -> Iterator[Measurement]:
    """Made-up measurements of ``task`` at its named start, put into messages and taken out again."""
    start, data, parameters = task.start(task.named_start), mujoco.MjData(task.model), SimulationParameters()
    data.qpos[:], data.qvel[:] = start.qpos, start.qvel
    sensing = Sensing(task.model, 0)
    for tick in range(1, ticks):
        taken = sensing.measure(data, tick, tick * period_ns, 0, parameters, 0)
        assert taken is not None
        parts = [codec.decode_measurement(codec.encode_measurement(taken))]
        parts += [decode(encode(taken, joint, parameters.noise), joint) for joint in codec.free_joints]
        yield Measurement(taken.stamp_ns, {name: part.readings[name] for part in parts for name in part.readings})


class MeasurementPublisher:
    """Publishes measurements; the odometry first, as the joints' states are what the reader waits for."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._states = shell.publisher("joint_states")
        self._odometry = {joint: shell.publisher(TOPIC, joint=joint) for joint in shell.codec.free_joints}

    def publish(self, measurement: Measurement) -> None:
        """All parts of ``measurement``."""
        for joint, publisher in self._odometry.items():
            publisher.publish(encode(measurement, joint, self._shell.value.noise))
        self._states.publish(self._shell.codec.encode_measurement(measurement))


class MeasurementListener:
    """Hands whole measurements to ``take``, put together by stamp."""

    def __init__(self, shell: Any, take: Callable[[Measurement], None]) -> None:
        joints = shell.codec.free_joints
        self._codec = shell.codec
        self._take = take
        self._assembly = Assembly(joints, round(shell.value.odometry_tolerance_s * NS_PER_S))
        for joint in joints:
            shell.on_data(TOPIC, partial(self._on_odometry, joint), joint=joint)
        shell.on_data("joint_states", self._on_states)

    def _on_states(self, data: bytes, info: Any) -> None:
        for measurement in self._assembly.add_states(self._codec.decode_measurement(data)):
            self._take(measurement)

    def _on_odometry(self, joint: str, data: bytes, info: Any) -> None:
        for measurement in self._assembly.add_part(joint, decode(data, joint)):
            self._take(measurement)
