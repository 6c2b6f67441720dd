"""What ``gpc up`` shows: a table from /diagnostics while it runs, a summary at the end."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from gpc_ros.cli.board import Board


def waiting() -> Text:
    """Before the first figures."""
    return Text("starting ...")


class Diagnostics:
    """Listens to /diagnostics, for the board."""

    def __init__(self) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.signals import SignalHandlerOptions

        self._rclpy = rclpy
        self._ok = DiagnosticStatus.OK
        self.board = Board()
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node("gpc_up", start_parameter_services=False, enable_rosout=False)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._take, 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)

    def _take(self, message: Any) -> None:
        for status in message.status:
            trouble = status.message if status.level != self._ok else ""
            values = {pair.key: pair.value for pair in status.values}
            self.board.take(status.name.removeprefix("gpc_ros/"), trouble, values, time.monotonic())

    def spin(self, seconds: float) -> None:
        """Listen for ``seconds`` at most."""
        self._executor.spin_once(timeout_sec=seconds)

    def table(self, title: str) -> RenderableType:
        """The latest figures and the last event."""
        return self.board.table(title, time.monotonic())

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown(timeout_sec=0.1)
        self._node.destroy_node()
        self._rclpy.try_shutdown()


def print_summary(result: dict[str, Any], console: Console) -> None:
    """The end of a run in a few lines."""
    if not result["ticks"]:
        console.print("no tick was answered")
        return
    latency, period = result["latency_ms"], result["period_ms"]
    share = 100 * result["answered"] / result["ticks"]
    outcome = "goal held" if result["success"] else "goal not held"
    console.print(
        f"{result['robot']} with {result['planner']} at {result['rate_hz']:g} Hz for {result['duration_s']:.1f} s: "
        f"{outcome} for the last {result['goal_held_s']:.1f} s, mean cost {result['mean_cost']:.4g}"
    )
    console.print(
        f"{result['ticks']} ticks, {share:.2f} % answered in time; measurement to command p50 {latency['p50']:.2f}, "
        f"p99 {latency['p99']:.2f}, max {latency['max']:.2f} ms; "
        f"period p50 {period['p50']:.2f}, p99 {period['p99']:.2f} ms"
    )
    cpu = ", ".join(f"{name} {values['cpu_percent']:g} %" for name, values in result["nodes"].items())
    fallbacks, bad = result["fallbacks"], result["nonfinite_commands"]
    console.print(f"processor: {cpu}; fallbacks: {fallbacks}; non-finite commands: {bad}")
