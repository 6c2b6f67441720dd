"""How things stand, in a few lines of text."""

from __future__ import annotations

from collections.abc import Mapping

from gpc_ros.viz.page.port import TROUBLE, News

_SHOWN = {
    "controller": ("driver", "select_ms p50"),
    "estimator": ("health", "nis", "update_ms p50"),
    "policy_server": ("state", "provider", "inference_ms p50"),
    "spc": ("state", "replan_ms p50", "replan_ms p99"),
    "simulator": ("deadline_misses", "overruns"),
    "monitor": ("rate_hz command", "command_jitter_ms p99", "plan_age_ms p50"),
}
"""Figures of /diagnostics that matter while driving, by node."""
_LATENCIES = (("monitor", "sensor_to_command_ms"), ("simulator", "latency_ms"))

LEGEND = (
    "Blue line: the plan. Thin lines: candidates, from cheap (green) to dear (red). "
    "Pale blue robot: where it really is, when that can be told from the estimate."
)


def headline(news: News) -> str:
    """Who drives and how fast, as markdown."""
    if news.estimate is None:
        return "waiting for estimates ..."
    driver = news.driver or "nobody"
    reason = news.health.get("controller", {}).get("reason", "")
    line = f"**{_plain(driver)}** drives" + (f": {_plain(reason)}" if reason else "")
    return f"{line}  \n{_latency(news.health)}"


def _latency(health: Mapping[str, Mapping[str, str]]) -> str:
    """From whoever measures it: the monitor, else the simulator."""
    for node, name in _LATENCIES:
        figures = health.get(node, {})
        if (p50 := figures.get(f"{name} p50")) and (p99 := figures.get(f"{name} p99")):
            return f"command after {_plain(p50)} ms, 99 % within {_plain(p99)} ms"
    return ""


def table(health: Mapping[str, Mapping[str, str]]) -> str:
    """What is wrong with each node, and its figures, as a markdown table."""
    lines = ["| node | |", "|---|---|"]
    for node, keys in _SHOWN.items():
        figures = health.get(node, {})
        shown = [f"**{_plain(trouble)}**" for trouble in [figures.get(TROUBLE, "")] if trouble]
        shown += [f"{_plain(key)} {_plain(figures[key])}" for key in keys if figures.get(key)]
        if shown:
            lines.append(f"| {_plain(node)} | {', '.join(shown)} |")
    return "\n".join(lines) if len(lines) > 2 else "no figures yet"


def _plain(text: str) -> str:
    """Text from the wire as markdown shows it: on one line, without markup."""
    return "".join(c if c.isalnum() or c in " .,:;'%()/+=" else f"\\{c}" if c in "-_" else " " for c in text[:200])
