"""Policies with random weights, of all kinds and sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpc_ros.policy import graph
from gpc_ros.policy.architecture import Architecture
from gpc_ros.policy.metadata import PolicyMetadata, of_task
from gpc_ros.tasks.cart_pole import CartPole


def metadata_of(**changes: Any) -> PolicyMetadata:
    """Of a small policy for cart_pole, but for ``changes``."""
    values = {
        "knots": 4,
        "period_ns": 100_000_000,
        "interpolation": "linear",
        "steps": 3,
        "architecture": Architecture(hidden=[8]),
        "training": {"seed": 1, "success": None},
    }
    return PolicyMetadata(**{**of_task(CartPole()), **values, **changes})


def random_weights(metadata: PolicyMetadata) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    knots, actuators = metadata.shape
    shapes = metadata.architecture.shapes(knots=knots, actuators=actuators, observation=metadata.observation_size)
    found = {name: rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) or 1) for name, shape in shapes.items()}
    found["observation_std"] = rng.uniform(0.1, 2.0, metadata.observation_size)
    return {name: value.astype(np.float32) for name, value in found.items()}


def make(**changes: Any) -> tuple[bytes, PolicyMetadata, dict[str, np.ndarray]]:
    """A policy file: its bytes, metadata and weights."""
    metadata = metadata_of(**changes)
    weights = random_weights(metadata)
    return graph.build(weights, metadata).SerializeToString(), metadata, weights
