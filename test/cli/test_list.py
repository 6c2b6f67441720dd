"""``gpc list``: what there is, the policies that come with robots among them."""

from __future__ import annotations

from pathlib import Path

import policies
import pytest

from gpc_ros import config, registry
from gpc_ros.cli.main import main


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where policies are looked for, one file for each robot."""
    monkeypatch.setattr("gpc_ros.cli.list.shipped", lambda robot: tmp_path / f"{robot}.onnx")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["list"]) == 0
    return capsys.readouterr().out.splitlines()


def test_it_names_everything(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = "\n".join(lines(capsys))
    for group in ("tasks", "control", "sampling.rules"):
        assert all(name in found for name in registry.names(group))
    assert all(robot in found for robot in config.robots())
    assert "│ policy      │" not in found  # no robot has one here


def test_a_policy_says_how_large_and_how_good_it_is(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policies.write(shipped / "cart_pole.onnx", training={"success": 0.97})
    policies.write(shipped / "pendulum.onnx", "pendulum", training={})
    found = [line for line in lines(capsys) if line.startswith("│ policy  ") and "knots" in line]
    assert ["cart_pole" in line for line in found] == [True, False]
    assert "10 knots, mlp 20" in found[0]
    assert "97 % of starts in training" in found[0]
    assert "training" not in found[1]


def test_a_broken_policy_is_told_and_not_in_the_way(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shipped / "cart_pole.onnx").write_text("no policy")
    assert any("not an ONNX file" in line for line in lines(capsys))
