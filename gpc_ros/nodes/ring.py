"""The empty ring: what the middleware alone costs from question to answer through two other processes.

``python -m gpc_ros.nodes.ring echo IN OUT`` passes bytes on; ``ask`` sends them round and prints times as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState

from gpc_ros.node_parameters import RealtimeParameters
from gpc_ros.nodes import cdr, realtime
from gpc_ros.nodes.leaving import PATIENCE_S, leave_within
from gpc_ros.nodes.loop import Loop
from gpc_ros.statistics import Histogram

_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
_NAMES = ("a", "b", "c")
_PERIOD_NS = 2_000_000
_LONGEST_S = 60.0


def echo(loop: Loop, node: Any, source: str, target: str) -> None:
    """Pass on what arrives."""
    publisher = node.create_publisher(JointState, target, _QOS)
    loop.subscribe(node, JointState, source, _QOS, lambda data, info: publisher.publish(data))
    _start(loop)
    time.sleep(_LONGEST_S)


def ask(loop: Loop, node: Any, seconds: float) -> dict[str, float]:
    """Times [ms] from a message sent at 500 Hz to the same one received, for ``seconds`` from the first answer on."""
    publisher = node.create_publisher(JointState, "ring/a", _QOS)
    decoder, sent, times = cdr.JointStateDecoder(), dict[int, int](), Histogram()
    first = threading.Event()

    def answer(data: bytes, info: Any) -> None:
        if (asked_ns := sent.pop(decoder.decode(data).stamp_ns, None)) is not None:
            times.add(time.monotonic_ns() - asked_ns)
            first.set()

    def tick(lateness_ns: int) -> None:
        stamp_ns = time.monotonic_ns()
        sent[stamp_ns] = stamp_ns
        publisher.publish(cdr.encode_joint_state(stamp_ns, "", _NAMES, (0.0,) * 3, (0.0,) * 3))

    loop.subscribe(node, JointState, "ring/c", _QOS, answer)
    loop.every(_PERIOD_NS, tick)
    _start(loop)
    first.wait(_LONGEST_S / 2)  # until the others have found each other
    time.sleep(seconds)
    return times.summary()


def _start(loop: Loop) -> None:
    loop.start(lambda: realtime.set_up(RealtimeParameters(), lambda line: None))


def main() -> int:
    """Entry point."""
    role, *rest = sys.argv[1:]
    rclpy.init(args=[])
    node = rclpy.create_node(f"ring_{role}_{os.getpid()}", start_parameter_services=False)
    loop = Loop(rclpy.get_default_context())
    if role == "echo":
        echo(loop, node, *rest)
    else:
        print(json.dumps(ask(loop, node, float(rest[0]))), flush=True)
    loop.stop()
    leave_within(PATIENCE_S, 0)
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
