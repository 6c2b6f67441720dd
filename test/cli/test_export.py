"""``gpc export``: from a checkpoint to a policy file that ``gpc check`` and the robot accept, or to nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from gpc_ros import __version__
from gpc_ros.cli.main import main
from gpc_ros.policy import verify
from gpc_ros.policy.onnx_policy import OnnxPolicy
from gpc_ros.tasks.cart_pole import CartPole

torch = pytest.importorskip("torch")

from gpc_ros.learning import checkpoint, export  # noqa: E402
from gpc_ros.learning.networks import FlowPolicy  # noqa: E402
from gpc_ros.policy.architecture import Architecture  # noqa: E402

SIZES = {"knots": 6, "actuators": 1, "observation": 5}


@pytest.fixture
def policy() -> FlowPolicy:
    torch.manual_seed(0)
    found = FlowPolicy(Architecture(hidden=[16]), **SIZES)
    found.normalize(torch.arange(5.0), torch.tensor([1.0, 2.0, 0.5, 1e-9, 3.0]))
    return found


@pytest.fixture
def trained(tmp_path: Path, policy: FlowPolicy) -> Path:
    """A checkpoint of cart_pole."""
    about = {
        "robot": "cart_pole",
        "sizes": SIZES,
        "train": {"flow_steps": 4, "network": {"kind": "mlp", "hidden": [16]}},
        "spc": {"knots": 6, "horizon_s": 0.6, "interpolation": "zero"},
        "figures": {"success": 0.5, "seed": 3, "loss": float("nan"), "records": [{"loss": 1.0}]},
    }
    file = tmp_path / "run" / "checkpoint.npz"
    checkpoint.write(file, about, checkpoint.flatten("best", policy.state_dict()))
    return file


def test_the_file_is_the_policy(trained: Path, policy: FlowPolicy, tmp_path: Path) -> None:
    record = tmp_path / "export.json"
    assert main(["export", str(trained), "--json", str(record)]) == 0
    file = trained.with_name("policy.onnx")
    written = json.loads(record.read_text())
    assert written["file"] == str(file)
    assert 0.0 <= written["max_abs_error"] < 1e-5
    loaded = OnnxPolicy.load(file, CartPole())
    start, observation = torch.randn(3, 6, 1), torch.randn(3, 5)
    expected = policy.sample(start, observation, 4).numpy()
    np.testing.assert_allclose(loaded.plans(start.numpy(), observation.numpy()), expected, atol=1e-5)


def test_the_file_says_what_it_is(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "new" / "mine.onnx"
    assert main(["export", str(trained), "-o", str(file)]) == 0
    _, about = verify.read(file)
    assert (about.task, about.knots, about.steps, about.version) == ("cart_pole", 6, 4, __version__)
    assert (about.period_ns, about.interpolation) == (100_000_000, "zero")
    assert about.training == {"success": 0.5, "seed": 3, "loss": None}
    assert main(["check", str(file)]) == 0
    assert [path.name for path in file.parent.iterdir()] == ["mine.onnx"]


def test_what_differs_from_torch_is_not_written(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = FlowPolicy.sample
    monkeypatch.setattr(FlowPolicy, "sample", lambda self, start, observed, steps: sample(self, start, observed, 5))
    assert main(["export", str(trained)]) == 2
    assert "policy.onnx not written: ONNX Runtime and torch differ by" in capsys.readouterr().err
    assert [path.name for path in trained.parent.iterdir()] == ["checkpoint.npz"]


def test_a_policy_that_is_not_finite_is_not_written(trained: Path, policy: FlowPolicy) -> None:
    with torch.no_grad():
        policy.network.layers[0].weight[0, 0] = float("nan")
    about, _ = checkpoint.read(trained)
    del about["format"]
    checkpoint.write(trained, about, checkpoint.flatten("best", policy.state_dict()))
    assert main(["export", str(trained)]) == 2
    assert not trained.with_name("policy.onnx").exists()


def test_the_old_file_stays_where_the_new_one_cannot_be_written(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = trained.with_name("policy.onnx")
    file.write_text("old")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert main(["export", str(trained)]) == 2
    assert "policy.onnx not written: No space left on device" in capsys.readouterr().err
    assert file.read_text() == "old"
    assert {path.name for path in trained.parent.iterdir()} == {"checkpoint.npz", "policy.onnx"}


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint"])
def test_no_checkpoint(tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "checkpoint.npz"
    if content is not None:
        file.write_bytes(content)
    assert main(["export", str(file)]) == 2
    assert capsys.readouterr().err.startswith(f"gpc: {file}: ")


def test_without_torch_it_says_what_to_install(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr("gpc_ros.learning.export")
    monkeypatch.delitem(sys.modules, export.__name__)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["export", str(trained)]) == 2
    assert capsys.readouterr().err == "gpc: gpc export needs torch: python3 -m pip install 'gpc_ros[learning]'\n"
