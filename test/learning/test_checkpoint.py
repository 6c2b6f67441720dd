"""Checkpoints: what was written comes back, and nothing else is believed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

torch = pytest.importorskip("torch")

from gpc_ros import archive  # noqa: E402
from gpc_ros.errors import GpcError  # noqa: E402
from gpc_ros.learning import checkpoint, export  # noqa: E402

ABOUT = {"robot": "pendulum", "sizes": {"knots": 3}, "not a number": float("nan")}
ARRAYS = {"data/0/cost": np.arange(3, dtype=np.float32), "robots/qpos": np.eye(2), "fit/step": np.array(2.0)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "run" / "checkpoint.npz"
    checkpoint.write(found, ABOUT, ARRAYS)
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a training that is done."""
    training = tiny.finish(tiny.trainer(iterations=1))
    about, arrays = training.save()
    found = tmp_path_factory.mktemp("trained") / "checkpoint.npz"
    checkpoint.write(found, {**about, "settings": {}, "figures": {"seed": 0}}, arrays)
    return found


def test_what_is_written_comes_back(file: Path) -> None:
    about, arrays = checkpoint.read(file)
    assert (about.pop("format"), about["robot"], about["sizes"]) == (1, "pendulum", {"knots": 3})
    assert np.isnan(about["not a number"])
    assert arrays.keys() == ARRAYS.keys()
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], value)
        assert (arrays[name].dtype, arrays[name].shape) == (value.dtype, value.shape)
    assert [path.name for path in file.parent.iterdir()] == ["checkpoint.npz"]


def test_state_dictionaries_come_back(tmp_path: Path) -> None:
    net = torch.nn.Linear(2, 3)
    arrays = {**checkpoint.flatten("best", net.state_dict()), "best_of_all/x": np.zeros(1), "fit/best/x": np.zeros(1)}
    checkpoint.write(tmp_path / "a.npz", {}, arrays)
    again = torch.nn.Linear(2, 3)
    again.load_state_dict(checkpoint.unflatten("best", checkpoint.read(tmp_path / "a.npz")[1]))
    assert torch.equal(again.weight, net.weight)


def test_the_policy_of_a_checkpoint_is_the_best_one(trained: Path) -> None:
    found = checkpoint.load_policy(trained)
    best = checkpoint.unflatten("best", checkpoint.read(trained)[1])
    for name, value in found.policy.state_dict().items():
        assert torch.equal(value, best[name])
    assert (found.robot, found.train, found.figures) == ("pendulum", tiny.train_parameters(iterations=1), {"seed": 0})
    assert (found.spc.knots, found.spc.samples, found.spc.interpolation) == (3, 3, "zero")


def test_the_last_policy_comes_with_its_own_verdict(trained: Path, tmp_path: Path) -> None:
    about, arrays = checkpoint.read(trained)
    arrays = {key: np.zeros_like(value) if key.startswith("best/") else value for key, value in arrays.items()}
    record = {"success": 0.25, "named": True, "cost": 2.0}
    best_one = {"success": 0.5, "named_start": False, "validation_cost": 1.0}
    about["figures"] = {**best_one, "records": [{}, record]}
    file = tmp_path / "checkpoint.npz"
    checkpoint.write(file, about, arrays)
    last, best = checkpoint.load_policy(file, last=True), checkpoint.load_policy(file)
    assert not any(value.any() for value in best.policy.state_dict().values())
    assert all(value.any() for name, value in last.policy.state_dict().items() if name.endswith("weight"))
    assert best.figures["success"] == 0.5
    verdict = [last.figures[name] for name in ("success", "named_start", "validation_cost", "last")]
    assert verdict == [0.25, True, 2.0, True]


class Dangerous:
    """Tells when it is made from a pickle."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a pickle was run",)


def crafted(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    about = np.frombuffer(json.dumps({"format": 1, **ABOUT}).encode(), np.uint8)
    np.savez(stream, **{"about": about, **arrays})
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (crafted(data=np.array([Dangerous()])), "Object arrays cannot be loaded"),
        (npy(np.array([Dangerous()])), "Object arrays cannot be loaded"),
        (crafted(about=np.frombuffer(b"{", np.uint8)), "damaged or of another kind: Expecting property name"),
        (crafted(about=np.frombuffer(b"[1]", np.uint8)), "'about' is no JSON object"),
        (crafted(about=np.frombuffer(b"[" * 100_000, np.uint8)), "recursion"),
        (crafted(about=np.frombuffer(b'{"format": 2}', np.uint8)), "checkpoint of format 2, .* reads format 1"),
        (crafted(about=np.frombuffer(b"{}", np.uint8)), "checkpoint of format None"),
        (npy(np.zeros(3)), "damaged or of another kind"),
        (b"", "damaged or of another kind"),
        (b"no archive", "damaged or of another kind"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "checkpoint.npz"
    file.write_bytes(content)
    with pytest.raises(GpcError, match=words) as refused:
        checkpoint.read(file)
    assert str(refused.value).startswith(f"{file}: ")
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(GpcError, match=r"checkpoint.npz: No such file or directory"):
        checkpoint.read(tmp_path / "checkpoint.npz")


def test_damage_anywhere_is_one_line_or_no_harm(file: Path) -> None:
    """Bytes in turn, and the file cut off at each length."""
    whole, expected = file.read_bytes(), checkpoint.read(file)[1]
    for place in range(0, len(whole), 3):
        for content in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x21]) + whole[place + 1 :]):
            file.write_bytes(content)
            arrays, line = {}, ""
            try:
                arrays = checkpoint.read(file)[1]
            except GpcError as error:
                line = str(error)
            assert arrays or line.startswith(f"{file}: ")
            assert "\n" not in line
            for name in arrays.keys() & expected.keys():
                np.testing.assert_array_equal(arrays[name], expected[name])


def without(trained: Path, tmp_path: Path, section: str, name: str | None = None) -> Path:
    """The checkpoint without one part."""
    about, arrays = checkpoint.read(trained)
    about.pop("format")
    if name is None:
        about.pop(section, None)
        arrays = {key: value for key, value in arrays.items() if not key.startswith(f"{section}/")}
    else:
        del about[section][name]
    file = tmp_path / "checkpoint.npz"
    checkpoint.write(file, about, arrays)
    return file


@pytest.mark.parametrize(
    ("section", "name"),
    [("robot", None), ("train", None), ("spc", None), ("sizes", "knots"), ("best", None), ("figures", None)],
)
def test_a_policy_with_parts_missing_is_refused(trained: Path, tmp_path: Path, section: str, name: str | None) -> None:
    file = without(trained, tmp_path, section, name)
    with pytest.raises(GpcError, match="incomplete checkpoint: ") as refused:
        export.export_checkpoint(file, tmp_path / "policy.onnx")
    assert str(refused.value).startswith(f"{file}: ")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "policy.onnx").exists()


def test_settings_that_are_none_are_refused(trained: Path, tmp_path: Path) -> None:
    about, arrays = checkpoint.read(trained)
    for section, name, value, words in (
        ("train", "flow_steps", 0, "flow_steps = 0"),
        ("train", "sampels", 3, "sampels"),
        ("spc", "horizon_s", -1.0, "horizon_s = -1.0"),
        ("spc", "knots", 200, "200 knots"),
    ):
        changed = {**about, section: {**about[section], name: value}}
        checkpoint.write(tmp_path / "a.npz", changed, arrays)
        with pytest.raises(GpcError, match=words) as refused:
            export.export_checkpoint(tmp_path / "a.npz", tmp_path / "policy.onnx")
        assert str(tmp_path / "a.npz") in str(refused.value)


def test_the_old_file_stays_where_the_new_one_cannot_be_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_bytes()

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.os, "fsync", full)
    with pytest.raises(GpcError, match=f"{file} not written: No space left on device"):
        checkpoint.write(file, {}, ARRAYS)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["checkpoint.npz"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GpcError, match=r"checkpoint.npz not written: (File exists|Not a directory)"):
        checkpoint.write(tmp_path / "file" / "checkpoint.npz", {}, {})
