"""How things stand, in a few lines of text."""

from __future__ import annotations

from collections.abc import Mapping

from gpc_ros.viz.page.port import News

_SHOWN = {
    "controller": ("reason",),
    "estimator": ("health", "nis", "update_ms p50"),
    "policy_server": ("state", "provider", "inference_ms p50"),
    "spc": ("state", "replan_ms p50", "replan_ms p99"),
    "simulator": ("deadline_misses", "latency_ms p50", "latency_ms p99"),
}
"""Figures of /diagnostics that matter while driving, by node."""
_LATENCY = ("latency_ms p50", "latency_ms p99")

LEGEND = (
    "Blue line: the plan. Thin lines: candidates, from cheap (green) to dear (red). "
    "Pale blue robot: where it really is, when that can be told from the estimate."
)


def headline(news: News) -> str:
    """Who drives, as markdown."""
    if news.estimate is None:
        return "waiting for estimates ..."
    driver = news.driver or "nobody"
    reason = news.health.get("controller", {}).get("reason", "")
    simulator = news.health.get("simulator", {})
    latency = [f"{simulator[key]} ms ({key[-3:]})" for key in _LATENCY if simulator.get(key)]
    line = f"**{_plain(driver)}** drives" + (f": {_plain(reason)}" if reason else "")
    return line + (f"  \nmeasurement to command {_plain(', '.join(latency))}" if latency else "")


def table(health: Mapping[str, Mapping[str, str]]) -> str:
    """Figures by node, as a markdown table."""
    lines = ["| node | |", "|---|---|"]
    for node, keys in _SHOWN.items():
        figures = health.get(node, {})
        shown = ", ".join(f"{key} {_plain(figures[key])}" for key in keys if figures.get(key))
        if shown:
            lines.append(f"| {node} | {shown} |")
    return "\n".join(lines) if len(lines) > 2 else "no figures yet"


def _plain(text: str) -> str:
    """Text from the wire as markdown shows it: on one line, without markup."""
    return "".join(c if c.isalnum() or c in " .,:;'%()/+=" else f"\\{c}" if c in "-_" else " " for c in text[:200])
