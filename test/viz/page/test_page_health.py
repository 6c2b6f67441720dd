"""The words on the page."""

from __future__ import annotations

import numpy as np
import pytest

from gpc_ros.signals import Estimate
from gpc_ros.viz.page import health
from gpc_ros.viz.page.port import News

ESTIMATE = Estimate(1, np.zeros(1), np.zeros(1))


def test_before_the_first_estimate_nobody_is_said_to_drive() -> None:
    assert "waiting" in health.headline(News(driver="spc"))
    assert "nobody" in health.headline(News(estimate=ESTIMATE))


def test_who_drives_why_and_how_fast() -> None:
    figures = {
        "controller": {"reason": "spc: plan has ended"},
        "simulator": {"latency_ms p50": "0.7", "latency_ms p99": "0.9"},
    }
    line = health.headline(News(estimate=ESTIMATE, driver="hold", health=figures))
    assert "**hold** drives: spc: plan has ended" in line
    assert "after 0.7 ms, 99 % within 0.9 ms" in line
    figures["monitor"] = {"sensor_to_command_ms p50": "0.6", "sensor_to_command_ms p99": "0.8"}
    assert "after 0.6 ms" in health.headline(News(estimate=ESTIMATE, health=figures))


def test_the_table_begins_with_what_is_wrong() -> None:
    figures = {"spc": {"trouble": "no finite plan", "replan_ms p50": "8.1", "secret": "1"}, "stranger": {"x": "1"}}
    table = health.table(figures)
    assert "| spc | **no finite plan**, replan\\_ms p50 8.1 |" in table
    assert "secret" not in table
    assert "stranger" not in table
    assert health.table({}) == "no figures yet"


@pytest.mark.parametrize("text", ["<b>", "[a](b)", "![a](b)", "`a`", "a|b", "a\nb", "# a", "*a*", "$a$", "<!--"])
def test_markup_from_the_wire_is_taken_away(text: str) -> None:
    shown = health.table({"spc": {"state": text}}).splitlines()
    assert len(shown) == 3
    assert not set("<>[]!`\n#$*") & set(shown[2])
    assert shown[2].count("|") == 3
