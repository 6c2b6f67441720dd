"""The flow policy as one ONNX graph: normalizer, all Euler steps, clipping, actuator units. Needs no torch.

For so small a network the time goes into the number of operators, not into arithmetic. So all that the observation and
the flow time add to a layer is made once for all steps, with the normalizer folded into its constants; the division of
a velocity by the number of steps is folded into the last layer; x * sigmoid(x) is written as ONNX Runtime fuses it.
Convolutions are matrix products over the knots beside each other: with 5 to 20 knots, Conv leaves most lanes of the
processor empty.

Letters: B batch, K knots, nu actuators, ny observation, S Euler steps, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpc_ros.errors import InvalidModel
from gpc_ros.policy.architecture import Kind, Prediction, embed
from gpc_ros.policy.extra import onnx
from gpc_ros.policy.metadata import KEY, UNSIGNED, PolicyMetadata, digest
from gpc_ros.signals import Array

OPERATORS = frozenset({"Add", "Clip", "Cos", "Gemm", "MatMul", "Mul", "Reshape", "Sigmoid", "Sin", "Split"})
"""The only ones in a policy file."""
OPSET = 17
"""Version of the operators."""
_IR_VERSION = 8  # with the operators' version: what ONNX Runtime reads since 1.12


def build(weights: Mapping[str, NDArray[np.floating]], metadata: PolicyMetadata) -> onnx.ModelProto:
    """The policy file: ``start`` (B, K, nu), normalized, and ``observation`` (B, ny) in, ``plan`` (B, K, nu) out.

    The plan is in actuator units.

    Args:
        weights: as ``FlowPolicy.state_dict()`` names them.
        metadata: what the file says of itself; the digest is filled in here.

    Raises:
        InvalidModel: if the weights are not those of the architecture.
    """
    graph = _Graph()
    flow = _cnn if metadata.architecture.kind is Kind.CNN else _mlp
    plan = flow(graph, _checked(weights, metadata), metadata)
    low, high = np.array(metadata.ctrl_low), np.array(metadata.ctrl_high)
    wide = graph.add("Mul", plan, graph.constant((high - low) / 2))
    graph.add("Add", wide, graph.constant((high + low) / 2), output="plan")
    shapes = {"start": metadata.shape, "observation": (metadata.observation_size,), "plan": metadata.shape}
    start, observation, out = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["B", *shape])
        for name, shape in shapes.items()
    )
    proto = onnx.helper.make_graph(graph.nodes, "policy", [start, observation], [out], initializer=graph.constants)
    model = onnx.helper.make_model(proto, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
    sign(model, metadata)
    return model


def sign(model: onnx.ModelProto, metadata: PolicyMetadata) -> None:
    """Put ``metadata`` into ``model``, with the digest of what then is in the file."""
    for unsigned in (True, False):
        sha256 = UNSIGNED if unsigned else digest(model.SerializeToString(), UNSIGNED)
        text = metadata.model_copy(update={"sha256": sha256}).model_dump_json()
        onnx.helper.set_model_props(model, {KEY: text})


def _checked(weights: Mapping[str, NDArray[np.floating]], metadata: PolicyMetadata) -> dict[str, Array]:
    """In double precision, so that folding constants rounds once."""
    knots, actuators = metadata.shape
    expected = metadata.architecture.shapes(knots=knots, actuators=actuators, observation=metadata.observation_size)
    found = {name: np.shape(value) for name, value in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            raise InvalidModel(f"weight '{name}' has shape {found.get(name)}, the policy needs {expected.get(name)}")
    return {name: np.asarray(value, dtype=float) for name, value in weights.items()}


class _Graph:
    """Nodes and constants, with names made up."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Any, kind: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value, dtype=kind), name))
        return name

    def add(self, operator: str, *inputs: str, output: str = "") -> str:
        self.nodes.append(onnx.helper.make_node(operator, inputs, [output or f"x{len(self.nodes)}"]))
        return self.nodes[-1].output[0]

    def reshape(self, x: str, *shape: int) -> str:
        return self.add("Reshape", x, self.constant(shape, np.int64))

    def split(self, x: str, sizes: Sequence[int]) -> list[str]:
        """Along the last axis."""
        outputs = [f"{x}_{index}" for index in range(len(sizes))]
        self.nodes.append(onnx.helper.make_node("Split", [x, self.constant(sizes, np.int64)], outputs, axis=-1))
        return outputs

    def swish(self, x: str) -> str:
        return self.add("Mul", x, self.add("Sigmoid", x))

    def gated(self, x: str, size: int) -> str:
        value, gate = self.split(x, [size, size])
        return self.add("Mul", value, self.swish(gate))

    def scaled(self, x: str, factor: float) -> str:
        return self.add("Mul", x, self.constant(factor))

    def clipped(self, x: str) -> str:
        return self.add("Clip", x, *self._ends)

    @cached_property
    def _ends(self) -> tuple[str, str]:
        return self.constant(-1.0), self.constant(1.0)


def _conditions(graph: _Graph, w: Mapping[str, Array], weight: Array, biases: Array) -> str:
    """For all steps at once (B, S * o): ``weight`` (o, features) times the features plus ``biases`` (S, o).

    The features are the normalized observation and, if there are any, sines and cosines of its waves.
    """
    mean, std = w["observation_mean"], w["observation_std"]
    plain, of_waves = weight[:, : len(mean)] / std, weight[:, len(mean) :]
    found = graph.add("Gemm", "observation", graph.constant(plain.T), graph.constant(-plain @ mean))
    if "waves" in w:
        waves = w["waves"] / std
        angles = graph.add("Gemm", "observation", graph.constant(waves.T), graph.constant(-waves @ mean))
        for operator, part in zip(("Sin", "Cos"), np.split(of_waves, 2, axis=1), strict=True):
            found = graph.add("Gemm", graph.add(operator, angles), graph.constant(part.T), found)
    steps = graph.add("Add", graph.reshape(found, 0, 1, biases.shape[1]), graph.constant(biases))
    return graph.reshape(steps, 0, biases.size)


def _divisor(metadata: PolicyMetadata) -> int:
    """What the last layer is divided by: a velocity by the number of steps, a plan by nothing."""
    return metadata.steps if metadata.architecture.predicts is Prediction.VELOCITY else 1


def _euler(graph: _Graph, plan: str, output: str, left: int, metadata: PolicyMetadata) -> str:
    """``plan`` after one step with ``left`` steps to go, this one included.

    With a predicted plan P, v / S is (P - U) / left, because 1 - t is left / S.
    """
    if metadata.architecture.predicts is Prediction.VELOCITY:
        moved = graph.add("Add", plan, output)
    elif left == 1:
        moved = output
    else:
        moved = graph.add("Add", graph.scaled(plan, 1.0 - 1.0 / left), graph.scaled(output, 1.0 / left))
    return graph.clipped(moved)


def _times(metadata: PolicyMetadata) -> Array:
    return np.arange(metadata.steps) / metadata.steps


def _mlp(graph: _Graph, w: Mapping[str, Array], metadata: PolicyMetadata) -> str:
    """[U, y, t] through fully connected layers."""
    steps, size, hidden = metadata.steps, int(np.prod(metadata.shape)), metadata.architecture.hidden
    gated = metadata.architecture.kind is Kind.GLU
    layers = [[w[f"network.layers.{i}.{part}"] for part in ("weight", "bias")] for i in range(len(hidden) + 1)]
    layers[-1] = [part / _divisor(metadata) for part in layers[-1]]
    (first, offset), *rest = layers
    conditions = _conditions(graph, w, first[:, size:-1], offset + np.outer(_times(metadata), first[:, -1]))
    by_plan = graph.constant(first[:, :size].T)
    following = [(graph.constant(weight.T), graph.constant(bias)) for weight, bias in rest]
    plan = graph.reshape("start", 0, size)
    for step, condition in enumerate(graph.split(conditions, [len(offset)] * steps)):
        x = graph.add("Gemm", plan, by_plan, condition)
        for width, (weight, bias) in zip(hidden, following, strict=True):
            x = graph.add("Gemm", graph.gated(x, width) if gated else graph.swish(x), weight, bias)
        plan = _euler(graph, plan, x, steps - step, metadata)
    return graph.reshape(plan, 0, *metadata.shape)


def _cnn(graph: _Graph, w: Mapping[str, Array], metadata: PolicyMetadata) -> str:
    """Convolutions over the knots, each scaled and shifted by a condition."""
    steps, knots = metadata.steps, metadata.knots
    count = len(metadata.architecture.hidden) + 1
    blocks = [_Block(graph, w, i, knots, _divisor(metadata) if i == count - 1 else 1) for i in range(count)]
    film = [_film(w, i, metadata) for i in range(count)]
    weight, biases = np.concatenate([f[0] for f in film]), np.concatenate([f[1] for f in film], axis=1)
    sizes = [len(f[0]) // 2 for f in film for _ in ("scale", "shift")]
    conditions = graph.reshape(_conditions(graph, w, weight, biases), 0, 1, -1)
    pieces = iter(graph.split(conditions, sizes * steps))
    plan = "start"
    for step in range(steps):
        x = plan
        for block in blocks:
            x = block.add(x, next(pieces), next(pieces))
        plan = _euler(graph, plan, x, steps - step, metadata)
    return plan


def _film(w: Mapping[str, Array], index: int, metadata: PolicyMetadata) -> tuple[Array, Array]:
    """Weight (2 C, ny) and biases (S, 2 C) of scale and shift, those that stand behind a convolution without a bias."""
    name, size = f"network.blocks.{index}", metadata.architecture.embedding
    weight = w[f"{name}.film.weight"]
    biases = w[f"{name}.film.bias"] + embed(_times(metadata), size) @ weight[:, -size:].T
    weight = weight[:, :-size].copy()
    channels = len(weight) // 2
    biases[:, :channels] += 1.0
    weight[channels:] += weight[:channels] * w[f"{name}.first.bias"][:, np.newaxis]
    biases[:, channels:] += biases[:, :channels] * w[f"{name}.first.bias"]
    return weight, biases


class _Block:
    """One block on (B, K, C), its output divided by ``divisor``."""

    def __init__(self, graph: _Graph, w: Mapping[str, Array], index: int, knots: int, divisor: int) -> None:
        self._graph, self._knots = graph, knots
        name = f"network.blocks.{index}"
        first, second, skip = (w[f"{name}.{layer}.weight"] for layer in ("first", "second", "skip"))
        self._first, self._second = self._convolution(first), self._convolution(second / divisor)
        self._skip = graph.constant(skip[:, :, 0].T / divisor)
        self._bias = graph.constant((w[f"{name}.second.bias"] + w[f"{name}.skip.bias"]) / divisor)

    def add(self, x: str, scale: str, shift: str) -> str:
        graph = self._graph
        hidden = graph.add("Mul", self._convolve(x, *self._first), scale)
        hidden = graph.swish(graph.add("Add", hidden, shift))
        out = graph.add("Add", self._convolve(hidden, *self._second), self._bias)
        return graph.add("Add", out, graph.add("MatMul", x, self._skip))

    def _convolution(self, weight: Array) -> tuple[str, str, str]:
        """Of ``weight`` (o, C, 3): which knots lie beside each (3 K, K), the shape (B, K, 3 C), the weight (3 C, o)."""
        beside = np.zeros((self._knots, 3, self._knots))
        for tap in range(3):
            beside[:, tap] = np.eye(self._knots, k=tap - 1)
        channels = weight.shape[1]
        return (
            self._graph.constant(beside.reshape(-1, self._knots)),
            self._graph.constant([0, self._knots, 3 * channels], np.int64),
            self._graph.constant(weight.transpose(2, 1, 0).reshape(3 * channels, -1)),
        )

    def _convolve(self, x: str, beside: str, shape: str, weight: str) -> str:
        rows = self._graph.add("Reshape", self._graph.add("MatMul", beside, x), shape)
        return self._graph.add("MatMul", rows, weight)
