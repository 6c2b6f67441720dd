"""What ``gpc bench`` measures the stack against, and what it says of the page."""

from __future__ import annotations

import pytest

from gpc_ros.cli import bench, bench_stack

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")


def test_messages_go_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_stack, "_RING_S", 1.0)
    times = bench_stack._ring()
    assert 0 < times["p50"] <= times["p99"] <= times["max"]


@pytest.mark.parametrize("stage", ["estimate", "message"])
def test_a_stage_takes_longer_than_its_limit(stage: str) -> None:
    record = bench._STAGES[stage]("pendulum")
    assert record["ratio"] > 1
    assert record["p99"] >= record["p50"] > record["limit_p50"] > 0


def test_a_page_that_is_looked_at_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("viser", reason="needs viser")
    monkeypatch.setattr(bench_stack, "_WATCHED_S", 8.0)
    record = bench_stack.page("pendulum")  # raises if the page never moves; how often it does is the machine's affair
    assert "frames/s" in str(record["more"])
    assert all(float(record[key]) > 0 for key in ("p50", "p99", "limit_p50", "limit_p99"))
