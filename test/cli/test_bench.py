"""``gpc bench``: what the stages of the policy say; no test of how fast a machine is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import policies
import pytest

from gpc_ros.cli import bench
from gpc_ros.cli.main import main
from gpc_ros.control import policy


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_REPEATS", 30)
    monkeypatch.setattr(bench, "_IDLE_REPEATS", 5)


def records(tmp_path: Path, *options: str) -> list[dict[str, Any]]:
    file = tmp_path / "bench.json"
    assert main(["bench", "--json", str(file), *options]) == 0
    return json.loads(file.read_text())


def test_the_networks_of_the_paper_are_one_record_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = records(tmp_path, "--stage", "inference_cnn")
    names = ["push_t", "walker", "crane", "humanoid"]
    assert [record["stage"] for record in found] == [f"inference_cnn {name}" for name in names]
    assert found[1]["more"] == "cnn 64x64, 4 knots, 10 steps"
    for record in found:
        assert record["p99"] >= record["p50"] > 0
        assert record["ratio"] == pytest.approx(record["p50"] / record["limit_p50"])
    assert capsys.readouterr().err == ""


def test_serving_is_all_that_the_server_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan after plan goes on from the last one, and what is told beside the network's own time is the rest."""
    pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
    file, before = policies.write(tmp_path / "policy.onnx", keep=0.9, offset=0.1), []
    monkeypatch.setattr(policy, "shipped", lambda robot: file)
    plan = policy.Policy.plan

    def noted(self: policy.Policy, estimate: Any, previous: Any = None) -> Any:
        before.append((estimate.stamp_ns, previous and previous.stamp_ns))
        return plan(self, estimate, previous)

    monkeypatch.setattr(policy.Policy, "plan", noted)
    (record,) = records(tmp_path, "--stage", "serving")
    served = before[-35:]  # those before warm it up
    assert all(mine - its == 2_000_000 for mine, its in served[1:])
    assert record["limit"] == "bare session.run"
    own = float(record["more"].split(": ")[1].split(" ms")[0])
    assert own == pytest.approx(record["p50"] - record["limit_p50"], abs=1e-3)


def test_a_robot_without_a_policy_has_nothing_to_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
    monkeypatch.setattr(policy, "shipped", lambda robot: tmp_path / "none.onnx")
    assert records(tmp_path, "--stage", "serving") == []
    assert capsys.readouterr().err.startswith("gpc bench: serving left out: cart_pole has no policy")
