"""What other nodes report is put in one, while it is fresh."""

from __future__ import annotations

import pytest

from gpc_ros.monitoring.reports import Reports

NS = 1_000_000_000
SPC = {"state": "plans spc", "running_upright": "3", "terminal_upright": "1", "effective_samples": "4.2", "seeds": "0"}


@pytest.fixture
def reports() -> Reports:
    return Reports(5)


def test_figures_of_all_nodes_come_in_one(reports: Reports) -> None:
    reports.take("estimator", "", {"health": "ok", "nis": "1.03", "ekf": "none"}, 0)
    reports.take("controller", "", {"active": "spc", "driver": "hold", "reason": "no plan", "executive": "none"}, 0)
    reports.take("policy_server", "", {"provider": "CPUExecutionProvider", "plans": "3"}, 0)
    reports.take("spc", "", SPC, 0)
    reports.take("simulator", "", {"overruns": "2", "ticks": "7"}, 0)
    assert reports.figures(NS) == {
        "overruns": "2",
        "health": "ok",
        "nis": "1.03",
        "active": "spc",
        "driver": "hold",
        "reason": "no plan",
        "provider": "CPUExecutionProvider",
        "fallbacks": 0,
        "effective_samples": 4.2,
        "share_percent running_upright": 75.0,
        "share_percent terminal_upright": 25.0,
    }


def test_what_is_not_fresh_is_not_told_and_its_node_is_named(reports: Reports) -> None:
    reports.take("estimator", "", {"nis": "1"}, 0)
    reports.take("spc", "", SPC, 0)
    assert reports.troubles(2 * NS) == []
    assert reports.figures(6 * NS) == {"fallbacks": 0}
    assert reports.troubles(6 * NS) == ["estimator silent for 6 s", "spc silent for 6 s"]
    reports.figures(60 * NS)
    assert reports.troubles(60 * NS) == []  # gone for good


def test_troubles_are_told_with_the_nodes_name(reports: Reports) -> None:
    reports.take("estimator", "estimate degraded", {}, 0)
    reports.take("controller", "", {}, 0)
    assert reports.troubles(NS) == ["estimator: estimate degraded"]


def test_fallbacks_are_those_of_the_last_seconds(reports: Reports) -> None:
    for second in range(20):
        count = min(second, 4)
        reports.take("controller", "", {"executive": f"blends: 7, fallbacks: {count}, old stamp: 9"}, second * NS)
        assert reports.fallbacks(second * NS) == (count if second <= 6 else max(0, 4 - (second - 6)))


def test_a_controller_that_begins_anew_has_not_fallen_back(reports: Reports) -> None:
    reports.take("controller", "", {"executive": "fallbacks: 9"}, 0)
    reports.take("controller", "", {"executive": "none"}, NS)
    assert reports.fallbacks(NS) == 0


@pytest.mark.parametrize("text", ["", "fallbacks: x", "no fallbacks: 3", "fallbacks: " + "9" * 400])
def test_rubbish_counts_for_nothing(reports: Reports, text: str) -> None:
    reports.take("controller", "", {"executive": "none"}, 0)
    reports.take("controller", "", {"executive": text}, 0)
    reports.take("spc", "", {"running_upright": "rubbish", "terminal_upright": "nan?"}, 0)
    assert reports.figures(0)["fallbacks"] == 0
    assert reports.figures(0)["share_percent running_upright"] == 0.0


def test_nodes_without_end_are_not_kept(reports: Reports) -> None:
    for number in range(1000):
        reports.take(f"node {number}", "bad", {}, 0)
    assert len(reports.troubles(0)) == 64
