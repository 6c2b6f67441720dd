"""What ``gpc up`` shows: a table from /diagnostics while it runs, a summary at the end."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_SHOWN = {
    "simulator": ("ticks", "latency_ms p50", "latency_ms p99", "deadline_misses", "overruns"),
    "estimator": ("health", "nis", "update_ms p50", "coasted"),
    "policy_server": ("state", "provider", "plans", "inference_ms p50", "inference_ms p99"),
    "spc": ("state", "replans", "replan_ms p50", "replan_ms p99", "seeds"),
    "controller": ("driver", "reason", "select_ms p50"),
}


def waiting() -> Text:
    """Before the first figures."""
    return Text("starting ...")


class Diagnostics:
    """Listens to /diagnostics and keeps the latest of each node."""

    def __init__(self) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.signals import SignalHandlerOptions

        self._rclpy = rclpy
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node("gpc_up", start_parameter_services=False, enable_rosout=False)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._take, 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self.latest: dict[str, dict[str, str]] = {}

    def _take(self, message: Any) -> None:
        for status in message.status:
            if status.name.startswith("gpc_ros/"):
                self.latest[status.name.removeprefix("gpc_ros/")] = {v.key: v.value for v in status.values}

    def spin(self, seconds: float) -> None:
        """Listen for ``seconds`` at most."""
        self._executor.spin_once(timeout_sec=seconds)

    def table(self, title: str) -> Table | Text:
        """The latest figures."""
        if not self.latest:
            return waiting()
        table = Table(title=f"{title} (Ctrl-C stops)", title_justify="left", show_header=False)
        for name, keys in _SHOWN.items():
            values = self.latest.get(name, {})
            table.add_row(name, "   ".join(f"{key} [bold]{values[key]}[/bold]" for key in keys if values.get(key)))
        return table

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
