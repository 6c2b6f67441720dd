"""What a velocity network looks like: enough to build it in torch for training and in ONNX for the robot."""

from __future__ import annotations

import enum
import itertools

import numpy as np

from gpc_ros.config import Parameters, parameter
from gpc_ros.signals import Array


class Kind(enum.StrEnum):
    """Families of velocity networks."""

    MLP = "mlp"
    GLU = "glu"
    CNN = "cnn"


class Prediction(enum.StrEnum):
    """What a network's output stands for."""

    VELOCITY = "velocity"
    PLAN = "plan"


class Architecture(Parameters):
    """Family and sizes of the velocity network v(U, y, t)."""

    kind: Kind = parameter(
        Kind.MLP,
        "mlp: for few knots; glu: the same with gated linear units, whose products suit gains that vary with the "
        "state; cnn: convolutions over the knots with FiLM conditioning",
    )
    predicts: Prediction = parameter(
        Prediction.VELOCITY,
        "what the network gives: the velocity v, as published, or the plan where the flow ends, P, with "
        "v = (P - U) / (1 - t): then the last Euler step gives P itself, not a sum of the errors of all steps",
    )
    hidden: list[int] = parameter([64, 64], "widths of the hidden layers, or channels of the convolutions")
    embedding: int = parameter(
        16, "size of the CNN's embedding of the flow time t; the others take t as it is", ge=2, multiple_of=2
    )

    waves: int = parameter(
        0,
        "random Fourier features of the observation y, sin(W y) and cos(W y), by which fine functions of the state "
        "are learned many times faster; 0: none, as published",
        ge=0,
        le=1024,
    )
    wave_scale: float = parameter(
        0.7, "standard deviation of W, for observations normalized to 1: larger is finer", gt=0, le=10
    )

    def features(self, observation: int) -> int:
        """What the network sees of ``observation`` (ny) values: these, and a sine and a cosine of each wave."""
        return observation + 2 * self.waves

    def layers(self, inputs: int, outputs: int) -> list[tuple[int, int]]:
        """Shapes (out, in) of the fully connected layers; those of gated units give value and gate."""
        rows = [width * (2 if self.kind is Kind.GLU else 1) for width in self.hidden]
        return list(zip([*rows, outputs], [inputs, *self.hidden], strict=True))

    def shapes(self, *, knots: int, actuators: int, observation: int) -> dict[str, tuple[int, ...]]:
        """Shapes of a policy's weights by name, as the state dictionary of the network in torch has them."""
        found: dict[str, tuple[int, ...]] = {"observation_mean": (observation,), "observation_std": (observation,)}
        if self.waves:
            found["waves"] = (self.waves, observation)
        features = self.features(observation)
        if self.kind is not Kind.CNN:
            size = knots * actuators
            for index, shape in enumerate(self.layers(size + features + 1, size)):
                found |= _weight_and_bias(f"network.layers.{index}", shape)
            return found
        condition = features + self.embedding
        for index, (a, b) in enumerate(itertools.pairwise([actuators, *self.hidden, actuators])):
            block = f"network.blocks.{index}"
            found |= _weight_and_bias(f"{block}.first", (b, a, 3))
            found |= _weight_and_bias(f"{block}.film", (2 * b, condition))
            found |= _weight_and_bias(f"{block}.second", (b, b, 3))
            found |= _weight_and_bias(f"{block}.skip", (b, a, 1))
        return found


def _weight_and_bias(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def embed(time: float | Array, size: int) -> Array:
    """Sinusoidal embedding (..., size) of flow ``time`` in [0, 1]: sin(pi j t) and cos(pi j t), j = 1 ... size / 2."""
    angles = np.pi * np.multiply.outer(np.asarray(time, dtype=float), np.arange(1, size // 2 + 1))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)
