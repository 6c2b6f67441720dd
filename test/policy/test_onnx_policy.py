"""A policy file on ONNX Runtime: what goes in, what comes out, where it runs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from random_policies import make, metadata_of, random_weights

from gpc_ros.errors import InvalidModel
from gpc_ros.policy import graph, onnx_policy
from gpc_ros.policy.architecture import Architecture
from gpc_ros.policy.onnx_policy import CPU, CUDA, OnnxPolicy
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.tasks.pendulum import Pendulum

RANGES = {"actuators": ["a", "b"], "ctrl_low": [-1.0, 2.0], "ctrl_high": [3.0, 4.0]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A policy for cart_pole."""
    path = tmp_path / "policy.onnx"
    path.write_bytes(graph.build(random_weights(metadata_of()), metadata_of()).SerializeToString())
    return path


@pytest.fixture
def policy() -> OnnxPolicy:
    """One with two actuators."""
    data, metadata, _ = make(architecture=Architecture(kind="cnn", hidden=[8]), **RANGES)
    return OnnxPolicy(data, metadata, device="cpu")


def inputs(batch: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, 4, 2)), rng.standard_normal((batch, 5))


def test_it_says_what_it_is(file: Path) -> None:
    policy = OnnxPolicy.load(file, CartPole())
    assert policy.metadata.task == "cart_pole"
    assert policy.period_ns == 100_000_000
    assert policy.interpolation is Interpolation.LINEAR
    assert policy.provider in (CPU, CUDA)


def test_plans_are_those_of_the_graph(policy: OnnxPolicy) -> None:
    data, _, _ = make(architecture=Architecture(kind="cnn", hidden=[8]), **RANGES)
    session = onnxruntime.InferenceSession(data, providers=[CPU])
    for batch in (1, 3):
        start, observation = inputs(batch)
        expected = session.run(
            None, {"start": start.astype(np.float32), "observation": observation.astype(np.float32)}
        )[0]
        plans = policy.plans(start, observation)
        assert plans.dtype == np.float64
        np.testing.assert_allclose(plans, expected, atol=1e-6)
        assert (plans >= [-1.0, 2.0]).all()
        assert (plans <= [3.0, 4.0]).all()


def test_one_observation_serves_the_whole_batch(policy: OnnxPolicy) -> None:
    start, observation = inputs(5)
    alike = np.tile(observation[0], (5, 1))
    np.testing.assert_array_equal(policy.plans(start, observation[0]), policy.plans(start, alike))


def test_each_of_a_batch_is_for_itself(policy: OnnxPolicy) -> None:
    start, observation = inputs(6)
    together = policy.plans(start, observation)
    for index in range(6):
        alone = policy.plans(start[index : index + 1], observation[index])
        np.testing.assert_allclose(together[index], alone[0], atol=1e-5)


def test_plans_handed_out_stay_as_they_are(policy: OnnxPolicy) -> None:
    """The buffers are used again."""
    first = policy.plans(*inputs(2))
    kept = first.copy()
    second = policy.plans(*inputs(2, seed=1))
    np.testing.assert_array_equal(first, kept)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(policy.plans(*inputs(2)), first)


def test_many_batch_sizes_in_turn(policy: OnnxPolicy) -> None:
    for batch in (*range(1, 20), *range(1, 20)):
        start, observation = inputs(batch)
        np.testing.assert_allclose(policy.plans(start, observation)[0], policy.plans(start[:1], observation[0])[0])


@pytest.mark.parametrize(("start", "observation"), [((1, 3, 2), (5,)), ((1, 4, 1, 2), (5,)), ((1, 4, 2), (4,))])
def test_inputs_of_another_shape_are_an_error(
    policy: OnnxPolicy, start: tuple[int, ...], observation: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="could not broadcast"):
        policy.plans(np.zeros(start), np.zeros(observation))


def test_what_is_not_a_number_is_the_callers_to_see(policy: OnnxPolicy) -> None:
    start, observation = inputs(2)
    observation[1, 2] = np.nan
    plans = policy.plans(start, observation)
    assert np.isfinite(plans[0]).all()
    assert np.isnan(plans[1]).all()


def test_normalized_is_the_inverse_of_the_units(policy: OnnxPolicy) -> None:
    ends = np.array([[-1.0, 2.0], [1.0, 3.0], [3.0, 4.0]])
    np.testing.assert_array_equal(policy.normalized(ends), [[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]])


def test_warming_up_changes_nothing(policy: OnnxPolicy) -> None:
    before = policy.plans(*inputs(3))
    policy.warm_up(3)
    policy.warm_up(1)
    np.testing.assert_array_equal(policy.plans(*inputs(3)), before)


def test_another_robot_is_refused(file: Path) -> None:
    with pytest.raises(InvalidModel, match=r"policy\.onnx: task is cart_pole, pendulum needs pendulum"):
        OnnxPolicy.load(file, Pendulum())


def disconnect(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[0] = "nowhere"


def one_at_a_time(model: onnx.ModelProto) -> None:
    (shape,) = [i for i in model.graph.initializer if i.name == model.graph.node[-3].input[1]]
    shape.CopyFrom(numpy_helper.from_array(np.array([1, 4, 1]), shape.name))


@pytest.mark.parametrize(
    ("change", "words"),
    [(disconnect, "ONNX Runtime refuses it: .*nowhere"), (one_at_a_time, "does not run: .*dimensions")],
)
def test_a_file_that_only_onnx_runtime_sees_through(
    file: Path, change: Callable[[onnx.ModelProto], None], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load_model_from_string(file.read_bytes())
    change(model)
    graph.sign(model, metadata_of())
    file.write_bytes(model.SerializeToString())
    with pytest.raises(InvalidModel, match=rf"policy\.onnx: {words}") as refusal:
        OnnxPolicy.load(file, CartPole())
    assert "\n" not in str(refusal.value)
    assert "".join(capfd.readouterr()) == ""


def test_cuda_where_there_is_none_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_policy.onnxruntime, "get_available_providers", lambda: [CPU])
    assert OnnxPolicy.load(file, CartPole(), device="auto").provider == CPU
    with pytest.raises(InvalidModel, match=f"device cuda: ONNX Runtime here has only {CPU}; .*policy-gpu"):
        OnnxPolicy.load(file, CartPole(), device="cuda")


class FallenBack:
    """As ONNX Runtime behaves where CUDA is installed and does not load: a warning, and the CPU."""

    def __init__(self, data: bytes, options: object, providers: list[str], enable_fallback: bool) -> None:
        self.asked = providers
        self.session = onnxruntime.InferenceSession(data, options, providers=[CPU])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)


def test_cuda_that_does_not_load_is_never_assumed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = type("Runtime", (), {"InferenceSession": FallenBack, "OrtValue": onnxruntime.OrtValue})
    stand_in.SessionOptions = onnxruntime.SessionOptions
    stand_in.get_available_providers = staticmethod(lambda: [CUDA, CPU])
    stand_in.preload_dlls = staticmethod(lambda: None)
    monkeypatch.setattr(onnx_policy, "onnxruntime", stand_in)
    policy = OnnxPolicy.load(file, CartPole(), device="auto")
    assert policy.session.asked == [CUDA, CPU]
    assert policy.provider == CPU
    assert OnnxPolicy.load(file, CartPole(), device="cpu").session.asked == [CPU]
    with pytest.raises(InvalidModel, match="device cuda: ONNX Runtime fell back to the CPU"):
        OnnxPolicy.load(file, CartPole(), device="cuda")


@pytest.mark.skipif(CUDA not in onnxruntime.get_available_providers(), reason="no CUDA in ONNX Runtime")
def test_cuda_gives_the_same_plans(policy: OnnxPolicy) -> None:
    data, metadata, _ = make(architecture=Architecture(kind="cnn", hidden=[8]), **RANGES)
    cuda = OnnxPolicy(data, metadata, device="cuda")
    assert cuda.provider == CUDA
    for seed in range(3):
        np.testing.assert_allclose(cuda.plans(*inputs(4, seed)), policy.plans(*inputs(4, seed)), atol=1e-3)


@pytest.mark.parametrize("absent", ["onnx", "onnxruntime"])
def test_without_the_extra_it_says_what_to_install(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("extra", "graph", "verify", "onnx_policy"):
        monkeypatch.delitem(sys.modules, f"gpc_ros.policy.{name}")
        monkeypatch.delattr(f"gpc_ros.policy.{name}")
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(InvalidModel) as refusal:
        importlib.import_module("gpc_ros.policy.onnx_policy")
    assert str(refusal.value) == f"a policy needs {absent}: python3 -m pip install 'gpc_ros[policy]'"
