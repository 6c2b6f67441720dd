"""``gpc check``: what it refuses, and what it tells of a policy that is right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import policies
import pytest

from gpc_ros.cli.main import main
from gpc_ros.policy import graph, verify
from gpc_ros.policy.onnx_policy import CPU, OnnxPolicy


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return policies.write(tmp_path / "policy.onnx", keep=0.5, offset=0.1)


def test_a_right_policy(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "check.json"
    assert main(["check", str(file), "--json", str(record)]) == 0
    written = json.loads(record.read_text())
    assert 0.0 < written["max_abs_error"] < 1e-5
    assert written["provider"] == CPU
    metadata = written["metadata"]
    assert (metadata["task"], metadata["knots"], metadata["training"]) == ("cart_pole", 10, {"success": 1.0})
    printed = capsys.readouterr().out
    for words in (
        "task",
        "cart_pole",
        "training.success",
        metadata["sha256"][:16],
        "architecture.hidden",
        "fits cart_pole",
    ):
        assert words in printed


def test_sigmoids_far_out_overflow_nowhere(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings are errors here."""
    policies.write(file, offset=200.0)
    assert main(["check", str(file)]) == 0, capsys.readouterr().err


def test_a_policy_for_a_robot_that_is_not_here(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = onnx.load(file)
    graph.sign(model, verify.read(file)[1].model_copy(update={"task": "crane_of_another_package"}))
    onnx.save(model, file)
    assert main(["check", str(file)]) == 0
    assert "'crane_of_another_package', which is not here" in capsys.readouterr().out


def test_a_policy_that_does_not_fit_its_robot(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policies.write(file, ctrl_high=[2.0])
    assert main(["check", str(file)]) == 2
    assert capsys.readouterr().err.startswith(f"gpc: {file}: ctrl_high is 1 values, [2.0], cart_pole needs")


def test_a_damaged_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_bytes(file.read_bytes().replace(b'"steps":1', b'"steps":2'))
    assert main(["check", str(file)]) == 2
    assert capsys.readouterr().err.startswith(f"gpc: {file}: changed since it was written")


@pytest.mark.parametrize("wrong", [1e-3, np.nan])
def test_onnx_runtime_that_computes_something_else(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: float
) -> None:
    plans = OnnxPolicy.plans
    monkeypatch.setattr(OnnxPolicy, "plans", lambda self, start, observed: plans(self, start, observed) + wrong)
    assert main(["check", str(file)]) == 2
    assert f"{CPU} and numpy differ by" in capsys.readouterr().err


def disconnected(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[0] = "nowhere"


def one_at_a_time(model: onnx.ModelProto) -> None:
    (shape,) = [i for i in model.graph.initializer if i.name == model.graph.node[-3].input[1]]
    shape.CopyFrom(onnx.numpy_helper.from_array(np.array([1, 10, 1]), shape.name))


def other_shape(model: onnx.ModelProto) -> None:
    """As many numbers, ordered in another way."""
    (shape,) = [i for i in model.graph.initializer if i.name == model.graph.node[-3].input[1]]
    shape.CopyFrom(onnx.numpy_helper.from_array(np.array([2, 5, -1]), shape.name))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (disconnected, "ONNX Runtime refuses it: "),
        (one_at_a_time, "does not run: "),
        (other_shape, "does not run: "),
    ],
)
def test_a_file_that_is_signed_and_does_not_run_is_one_line(
    file: Path, change: Callable[[onnx.ModelProto], None], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    model, about = onnx.load(file), verify.read(file)[1]
    change(model)
    graph.sign(model, about)
    file.write_bytes(model.SerializeToString())
    assert main(["check", str(file)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(f"gpc: {file}: {words}")
