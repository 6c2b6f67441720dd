"""The ONNX graph does what the network in torch does, with few operators."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from random_policies import make, metadata_of, random_weights

from gpc_ros.errors import InvalidModel
from gpc_ros.policy import graph
from gpc_ros.policy.architecture import Architecture

ONE = {"actuators": ["a"], "ctrl_low": [-2.0], "ctrl_high": [3.0]}
THREE = {"actuators": ["a", "b", "c"], "ctrl_low": [-1.0, 0.0, -3.0], "ctrl_high": [1.0, 0.5, 1.0]}
POLICIES = {
    "mlp": {"architecture": Architecture(hidden=[16, 16]), **THREE},
    "mlp with waves": {"architecture": Architecture(hidden=[16], waves=9, wave_scale=0.5), **THREE},
    "cnn with waves": {"architecture": Architecture(kind="cnn", hidden=[8], waves=5), **THREE},
    "mlp of one layer": {"architecture": Architecture(hidden=[]), "steps": 1, **ONE},
    "glu": {"architecture": Architecture(kind="glu", hidden=[16, 8], waves=4), **THREE},
    "mlp that predicts the plan": {"architecture": Architecture(hidden=[16], predicts="plan"), **THREE},
    "glu that predicts the plan": {"architecture": Architecture(kind="glu", hidden=[16], predicts="plan"), **THREE},
    "cnn that predicts the plan": {"architecture": Architecture(kind="cnn", hidden=[8], predicts="plan"), **THREE},
    "plan in one step": {"architecture": Architecture(hidden=[16], predicts="plan"), "steps": 1, **ONE},
    "large mlp": {"architecture": Architecture(hidden=[128, 128]), "knots": 16, "steps": 10, **ONE},
    "cnn": {"architecture": Architecture(kind="cnn", hidden=[8, 16], embedding=4), **THREE},
    "cnn of one block": {"architecture": Architecture(kind="cnn", hidden=[]), "steps": 1, **THREE},
    "cnn of one knot": {"architecture": Architecture(kind="cnn", hidden=[4]), "knots": 1, **ONE},
    "large cnn": {"architecture": Architecture(kind="cnn", hidden=[64, 64]), "knots": 5, "steps": 10, **THREE},
}


def run(data: bytes, start: np.ndarray, observation: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, {"start": start, "observation": observation})[0]


@pytest.mark.parametrize("changes", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("batch", [1, 7])
def test_it_is_the_network_in_torch(changes: dict[str, Any], batch: int) -> None:
    torch = pytest.importorskip("torch")
    from gpc_ros.learning.networks import FlowPolicy

    data, metadata, weights = make(**changes)
    knots, actuators = metadata.shape
    observed = metadata.observation_size
    policy = FlowPolicy(metadata.architecture, knots=knots, actuators=actuators, observation=observed)
    policy.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    rng = np.random.default_rng(1)
    start = (2.0 * rng.standard_normal((batch, knots, actuators))).astype(np.float32)  # beyond the ends too
    observation = rng.standard_normal((batch, observed)).astype(np.float32)
    expected = policy.sample(torch.from_numpy(start), torch.from_numpy(observation), metadata.steps).numpy()
    low, high = np.array(metadata.ctrl_low), np.array(metadata.ctrl_high)
    assert np.mean(np.abs(expected) < 1.0) > 0.05  # not all at the ends, where any two agree
    np.testing.assert_allclose(run(data, start, observation), (high + low + expected * (high - low)) / 2, atol=1e-4)


@pytest.mark.parametrize("where", ["start", "observation"])
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_what_is_not_a_number_comes_out_as_such(kind: str, where: str) -> None:
    """Not as an end of the range, which a clip could make of it."""
    data, _, _ = make(**POLICIES[kind])
    inputs = {"start": np.zeros((2, 4, 3), np.float32), "observation": np.zeros((2, 5), np.float32)}
    inputs[where][0, 0] = np.nan
    plan = run(data, **inputs)
    assert np.isnan(plan[0, 0]).all()
    assert np.isfinite(plan[1]).all()


def test_it_is_valid_and_the_same_each_time() -> None:
    for changes in POLICIES.values():
        data, _, _ = make(**changes)
        onnx.checker.check_model(onnx.load_model_from_string(data), full_check=True)
        assert make(**changes)[0] == data


@pytest.mark.parametrize(
    ("kind", "once", "per_step"), [("large mlp", 9, 9), ("mlp with waves", 14, 6), ("large cnn", 8, 41)]
)
def test_operators_are_few_and_listed(kind: str, once: int, per_step: int) -> None:
    data, metadata, _ = make(**POLICIES[kind])
    found = Counter(node.op_type for node in onnx.load_model_from_string(data).graph.node)
    assert found.keys() <= graph.OPERATORS
    assert found.total() == once + metadata.steps * per_step


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("observation_std", None, r"'observation_std' has shape None, the policy needs \(5,\)"),
        ("network.layers.0.bias", np.zeros(7), r"'network.layers.0.bias' has shape \(7,\), the policy needs \(8,\)"),
        ("network.layers.2.bias", np.zeros(7), r"'network.layers.2.bias' has shape \(7,\), the policy needs None"),
    ],
)
def test_weights_of_another_network_are_refused(name: str, value: Any, words: str) -> None:
    metadata = metadata_of()
    weights = {**random_weights(metadata), name: value}
    with pytest.raises(InvalidModel, match=words):
        graph.build({name: w for name, w in weights.items() if w is not None}, metadata)
