"""TF of the robot's bodies, where tf2_msgs is installed and somebody listens."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from geometry_msgs.msg import TransformStamped

from gpc_ros.monitoring.budget import Budget
from gpc_ros.nodes.codec import time_message
from gpc_ros.signals import NS_PER_S
from gpc_ros.viz.geometry import Kinematics
from gpc_ros.viz.urdf import WORLD, link_names

_SHARE = 0.02  # of a core


class TransformPublisher:
    """``/tf``: each body in the world, at the state estimate; frames are the links of ``robot_description``."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._names = link_names(shell.task.model)
        prefix = shell.node.get_namespace().strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._kinematics = Kinematics(shell.task.model)
        self._budget = Budget(_SHARE)
        self.share = 0.0
        """Of a core, that this may take now."""
        try:
            self._kind = import_module("tf2_msgs.msg").TFMessage
        except ModuleNotFoundError:
            shell.say("info", "no /tf: tf2_msgs is not installed")
            return
        self._publisher = shell.node.create_publisher(self._kind, "/tf", 100)
        self._deadline = shell.loop.every(self._period_ns, self._publish)

    @property
    def _period_ns(self) -> int:
        return round(NS_PER_S / self._shell.value.marker_rate_hz)

    def _publish(self, lateness_ns: int) -> None:
        self._deadline.period_ns = self._period_ns
        data = self._shell.latest.get("state_estimate")
        self.share = 0.0
        if data is not None and self._shell.value.tf and self._publisher.get_subscription_count():
            self.share = self._budget.share
            self._budget.run(lambda: self._shell.refusing("state_estimate", self._tell)(data, None))

    def _tell(self, data: bytes, info: Any) -> None:
        estimate = self._shell.codec.decode_estimate(data)
        positions, quats_wxyz = self._kinematics.bodies(estimate.qpos)
        stamp = time_message(estimate.stamp_ns)
        found = []
        for name, position, quat_wxyz in zip(self._names, positions, quats_wxyz, strict=True):
            transform = TransformStamped(child_frame_id=self._prefix + name)
            if transform.child_frame_id == WORLD:
                continue
            transform.header.frame_id, transform.header.stamp = WORLD, stamp
            place, turn = transform.transform.translation, transform.transform.rotation
            place.x, place.y, place.z = map(float, position)
            turn.w, turn.x, turn.y, turn.z = map(float, quat_wxyz)
            found.append(transform)
        self._publisher.publish(self._kind(transforms=found))
