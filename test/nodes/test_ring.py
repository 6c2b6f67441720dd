"""The empty ring that ``gpc bench`` measures the stack against."""

from __future__ import annotations

import pytest

from gpc_ros.cli import bench

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")


def test_messages_go_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_RING_S", 1.0)
    times = bench._ring()
    assert 0 < times["p50"] <= times["p99"] <= times["max"]


@pytest.mark.parametrize("stage", ["estimate", "message"])
def test_a_stage_takes_longer_than_its_limit(stage: str) -> None:
    record = bench._STAGES[stage]("pendulum")
    assert record["ratio"] > 1
    assert record["p99"] >= record["p50"] > record["limit_p50"] > 0
