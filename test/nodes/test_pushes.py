"""Topic ``push``: it moves the plant, and what is refused is counted and named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
from geometry_msgs.msg import WrenchStamped
from rig import Peer, Rig

from gpc_ros.nodes import pushes
from gpc_ros.nodes.simulator import Simulator
from gpc_ros.signals import Command
from gpc_ros.simulation.pushes import DURATION_S, Push

pytestmark = pytest.mark.ros
PERIOD = 2_000_000


@pytest.fixture
def plant(start: Callable[..., Rig]) -> Rig:
    return start(Simulator, robot="cart_pole", start="named", lockstep="true")


def test_a_push_moves_the_plant(plant: Rig, peer: Peer) -> None:
    simulation = plant.shell.simulation
    peer.hear("joint_states")
    peer.say("push", pushes.encode(Push("cart", np.array([10.0, 0.0, 0.0]), np.zeros(3))))
    peer.until(lambda: simulation.pushes.acting, "the push")
    stamp_ns = simulation.stamp_ns
    for tick in range(round(DURATION_S * 1e9 / PERIOD)):
        answer = Command(stamp_ns + tick * PERIOD, np.zeros(1), epoch=simulation.epoch)
        data = plant.codec.encode_command(answer)

        def answered(at: int = stamp_ns + (tick + 1) * PERIOD, data: bytes = data) -> bool:
            peer.say("command", data)  # again and again, as the controller does when it is asked again
            return simulation.stamp_ns >= at

        peer.until(answered, f"tick {tick}")
    assert simulation.data.qvel[0] > 0.1


@pytest.mark.parametrize(
    ("body", "force", "reason", "words"),
    [
        ("wheel", 1.0, "body", "Valid: cart, pole"),
        ("cart\n\x1b[2J" + "x" * 1000, 1.0, "body", "'cart??[2Jxxx"),
        ("cart", float("nan"), "nonfinite", "'cart' is not finite"),
        ("cart", float("inf"), "nonfinite", "'cart' is not finite"),
    ],
)
def test_what_cannot_be_done_is_counted_and_named(
    plant: Rig, peer: Peer, body: str, force: float, reason: str, words: str
) -> None:
    message = WrenchStamped()
    message.header.frame_id = body
    message.wrench.force.x = force
    peer.say("push", message)
    peer.until(lambda: plant.shell.counts[f"push: {reason}"], "the refusal")
    ((level, line),) = plant.said
    assert level == "warn"
    assert "\n" not in line
    assert words in line
    assert len(line) < 200
    assert not plant.shell.simulation.pushes.acting


def test_a_push_survives_the_wire() -> None:
    push = Push("pole", np.array([1.0, -2.0, 3.0]), np.array([-0.1, 0.2, 0.3]))
    back = pushes.decode(pushes.encode(push))
    assert back.body == push.body
    assert np.array_equal([back.force, back.torque], [push.force, push.torque])
