"""A round trip through DDS between two processes of this machine, behind the closed door that the stack uses.

``python -m gpc_ros.cli.loopback ask`` sends and counts, ``... echo`` answers; both end by themselves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

_MODULE = "gpc_ros.cli.loopback"
_COUNT = 50
_PATIENCE_S = 8.0
_ANSWER_S = 0.2
_DOMAINS = 101


def round_trip() -> dict[str, Any]:
    """Send messages from one new process to another and back.

    Returns:
        ``rmw``, ``sent``, ``returned``, ``median_ms`` (of the round trip) and ``open_ports``; or ``error`` alone.
    """
    from gpc_ros.nodes import network

    environment = {**os.environ, **network.environment(opened=False), "ROS_DOMAIN_ID": str(_own_domain())}
    start = [sys.executable, "-m", _MODULE]
    with subprocess.Popen(
        [*start, "echo"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as echo:
        try:
            asked = subprocess.run(
                [*start, "ask"], env=environment, capture_output=True, text=True, timeout=2 * _PATIENCE_S, check=False
            )
        except subprocess.TimeoutExpired:
            return {"error": f"no answer within {2 * _PATIENCE_S:.0f} s"}
        finally:
            echo.kill()
    if asked.returncode:
        return {"error": (asked.stderr.strip().splitlines() or [f"ended with code {asked.returncode}"])[-1]}
    return dict(json.loads(asked.stdout.splitlines()[-1]))


def _own_domain() -> int:
    """A domain other than the user's, not always the same: two doctors may be at work."""
    own = 1 + os.getpid() % _DOMAINS
    return own if str(own) != os.environ.get("ROS_DOMAIN_ID", "0") else 1 + own % _DOMAINS


def _echo() -> None:
    import rclpy
    from std_msgs.msg import UInt64

    rclpy.init()
    node = rclpy.create_node("doctor_echo")
    answer = node.create_publisher(UInt64, "doctor/answer", 10)
    node.create_subscription(UInt64, "doctor/question", answer.publish, 10)
    end = time.monotonic() + 2 * _PATIENCE_S
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.05)


def _ask() -> None:
    import rclpy
    from std_msgs.msg import UInt64

    from gpc_ros.nodes import network

    rclpy.init()
    node = rclpy.create_node("doctor_ask")
    returned: dict[int, float] = {}
    node.create_subscription(UInt64, "doctor/answer", lambda m: returned.setdefault(m.data, time.monotonic()), 10)
    question = node.create_publisher(UInt64, "doctor/question", 10)
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end and not (question.get_subscription_count() and node.count_publishers("doctor/answer")):
        time.sleep(0.02)
    sent: dict[int, float] = {}
    while len(sent) < _COUNT and time.monotonic() < end:
        number = len(sent)
        sent[number] = time.monotonic()
        question.publish(UInt64(data=number))
        while number not in returned and time.monotonic() < sent[number] + _ANSWER_S:
            rclpy.spin_once(node, timeout_sec=0.01)
    times = sorted(returned[number] - sent[number] for number in returned)
    found = {
        "rmw": rclpy.get_rmw_implementation_identifier(),
        "sent": len(sent),
        "returned": len(returned),
        "median_ms": 1e3 * times[len(times) // 2] if times else None,
        "open_ports": network.open_ports(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    {"ask": _ask, "echo": _echo}[sys.argv[1]]()
