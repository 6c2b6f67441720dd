"""Publishes what only a simulator knows: the plant's true state, when somebody listens, and its time, when asked."""

from __future__ import annotations

from typing import Any

from rosgraph_msgs.msg import Clock

from gpc_ros.nodes.codec import time_message
from gpc_ros.signals import Estimate
from gpc_ros.simulation.simulation import Simulation

_LOOK_S = 0.5  # how often to look for listeners: the graph is slow to ask


class GroundTruth:
    """``ground_truth``: as ``state_estimate``, from the simulator; ``/clock`` with ``publish_clock``."""

    def __init__(self, shell: Any, simulation: Simulation) -> None:
        self._shell = shell
        self._simulation = simulation
        self._publisher = shell.publisher("ground_truth")
        self._clock = shell.publisher("/clock") if shell.value.publish_clock else None
        self._wanted = False
        shell.node.create_timer(_LOOK_S, self._look)

    def _look(self) -> None:
        self._wanted = self._publisher.get_subscription_count() > 0

    def publish(self) -> None:
        """The present state and time."""
        if self._clock is not None:
            self._clock.publish(Clock(clock=time_message(self._simulation.stamp_ns)))
        if self._wanted:
            simulation, data = self._simulation, self._simulation.data
            truth = Estimate(simulation.stamp_ns, data.qpos.copy(), data.qvel.copy(), epoch=simulation.epoch)
            self._publisher.publish(self._shell.codec.encode_estimate(truth))
