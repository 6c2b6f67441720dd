"""Goals and pushes on real DDS: who hears of them, whoever said them, and where they are found afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("mcap", reason="needs mcap")
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rig import Peer, Rig

from gpc_ros.nodes import pushes
from gpc_ros.nodes.recorder import Recorder
from gpc_ros.nodes.simulator import Simulator
from gpc_ros.nodes.spc import Spc
from gpc_ros.recording.reader import Recording
from gpc_ros.simulation.pushes import Push

pytestmark = pytest.mark.ros


def click(peer: Peer, x: float, y: float, *, listeners: int) -> None:
    """As RViz's goal tool: not latched, in the fixed frame."""
    publisher = peer.node.create_publisher(PoseStamped, "goal_pose", QoSProfile(depth=5))
    peer.until(lambda: publisher.get_subscription_count() >= listeners, "those who listen")
    message = PoseStamped()
    message.header.frame_id, message.header.stamp = "world", peer.node.get_clock().now().to_msg()
    message.pose.position.x, message.pose.position.y = x, y
    publisher.publish(message)


def test_a_planner_that_starts_late_has_the_goal_that_was_clicked(start: Callable[..., Rig], peer: Peer) -> None:
    plant = start(Simulator, robot="particle", lockstep="true").shell
    click(peer, 0.1, -0.2, listeners=1)
    peer.until(lambda: plant.simulation.goal.tolist() == [0.1, -0.2], "the goal in the plant")
    for _ in range(2):  # and one that is started again
        planner = start(Spc, robot="particle", lockstep="true", samples=8)
        peer.until(lambda node=planner: node.shell.has_goal, "the goal in the planner")
        assert planner.shell.goal.tolist() == [0.1, -0.2]
        planner.shell.node.destroy_node()


class Found:
    """What /diagnostics of the simulator and a recording hold."""

    def __init__(self, peer: Peer, file: Path) -> None:
        self._peer, self._file = peer, file

    def told(self) -> dict[str, str]:
        """Figures of the simulator's last report."""
        values: dict[str, str] = {}
        for data in self._peer.heard["/diagnostics"]:
            for status in deserialize_message(data, DiagnosticArray).status:
                if status.name == "gpc_ros/simulator":
                    values = {pair.key: pair.value for pair in status.values}
        return values

    def until_told(self, expected: dict[str, str]) -> None:
        self._peer.until(lambda: expected.items() <= self.told().items(), f"{expected} in /diagnostics")

    def until_recorded(self, name: str, number: int) -> list[Any]:
        def there() -> list[Any] | None:
            found = list(Recording(self._file).messages({name}))
            return found if len(found) >= number else None

        return self._peer.until(there, f"{number} of {name} in the recording")


@pytest.fixture
def found(start: Callable[..., Rig], peer: Peer, tmp_path: Path) -> Found:
    recorder = start(Recorder, robot="crane", folder=str(tmp_path), niceness=0, lockstep="true")
    start(Simulator, robot="crane", start="named", lockstep="true")
    peer.hear("/diagnostics")
    peer.until(lambda: recorder.shell.tape.written, "a message in the file")
    return Found(peer, recorder.shell.file.path)


def test_by_topic(found: Found, peer: Peer) -> None:
    found.until_told({"goal x": "0", "goal y": "1.5", "goal z": "0.8", "pushes": "0"})
    peer.say("push", pushes.encode(Push("payload", np.array([5.0, 0.0, -1.5]), np.zeros(3))))
    click(peer, 0.25, 1.25, listeners=2)
    found.until_told({"goal x": "0.25", "goal y": "1.25", "goal z": "0.8"})  # the plane alone was clicked on
    found.until_told({"pushes": "1", "last_push": "payload: 5 0 -1.5 N, 0 0 0 N m"})
    assert len(found.until_recorded("push", 1)) == 1
    found.until_recorded("goal_pose", 3)  # the start's, the click, the simulator's repetition


def test_by_the_page(start: Callable[..., Rig], found: Found, peer: Peer) -> None:
    pytest.importorskip("viser", reason="needs viser")
    from gpc_ros.nodes.web import Web

    port = start(Web, robot="crane", port=18_800, lockstep="true").shell.port
    peer.until(lambda: port._push.get_subscription_count() >= 2, "simulator and recorder to listen")
    port.push(Push("payload", np.zeros(3), np.array([0.0, 0.0, 0.5])))
    port.go_to(np.array([-0.5, 1.25, 0.0]))
    found.until_told({"goal x": "-0.5", "goal y": "1.25", "goal z": "0"})
    found.until_told({"pushes": "1", "last_push": "payload: 0 0 0 N, 0 0 0.5 N m"})
    found.until_recorded("push", 1)
    found.until_recorded("goal_pose", 2)
