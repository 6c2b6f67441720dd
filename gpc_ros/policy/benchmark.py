"""Policies to measure: of the usual sizes with random weights, and what ONNX Runtime takes for them by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from gpc_ros.policy import graph
from gpc_ros.policy.architecture import Architecture, Kind
from gpc_ros.policy.metadata import PolicyMetadata
from gpc_ros.policy.onnx_policy import OnnxPolicy
from gpc_ros.sampling.spline import Interpolation


def mlp() -> OnnxPolicy:
    """Two hidden layers of 128 for 16 knots of one actuator, with 10 Euler steps."""
    return _random(Architecture(hidden=[128, 128]), knots=16, actuators=1, observation=8)


def cnns() -> dict[str, OnnxPolicy]:
    """Those with convolutions in Table I of arXiv 2502.13406, each with 10 Euler steps, by robot."""
    sizes = {  # channels, embedding of the flow time, knots, actuators, observation
        "push_t": ([32, 32, 32], 8, 5, 2, 5),
        "walker": ([64, 64], 16, 4, 6, 18),
        "crane": ([64, 64], 16, 2, 3, 23),
        "humanoid": ([128, 128, 128], 64, 3, 23, 56),
    }
    return {
        robot: _random(
            Architecture(kind=Kind.CNN, hidden=hidden, embedding=embedding),
            knots=knots,
            actuators=actuators,
            observation=observation,
        )
        for robot, (hidden, embedding, knots, actuators, observation) in sizes.items()
    }


def _random(architecture: Architecture, *, knots: int, actuators: int, observation: int) -> OnnxPolicy:
    rng = np.random.default_rng(0)
    shapes = architecture.shapes(knots=knots, actuators=actuators, observation=observation)
    weights = {name: rng.uniform(0.0, 0.1, shape) for name, shape in shapes.items()}
    metadata = PolicyMetadata(
        task="",
        observation_probe=[0.0] * observation,
        actuators=[str(index) for index in range(actuators)],
        ctrl_low=[-1.0] * actuators,
        ctrl_high=[1.0] * actuators,
        knots=knots,
        period_ns=50_000_000,
        interpolation=Interpolation.LINEAR,
        steps=10,
        architecture=architecture,
    )
    return OnnxPolicy(graph.build(weights, metadata).SerializeToString(), metadata)


def plan_and_bare(policy: OnnxPolicy) -> tuple[Callable[[], object], Callable[[], object]]:
    """A call for one plan, and the same of ONNX Runtime alone, with arrays that are there already."""
    rng, size = np.random.default_rng(0), policy.metadata.observation_size
    start, observation = rng.standard_normal((1, *policy.metadata.shape)), rng.standard_normal(size)
    feeds = {"start": start.astype(np.float32), "observation": observation.astype(np.float32)[np.newaxis]}
    return lambda: policy.plans(start, observation), lambda: policy.session.run(None, feeds)


def plan_ms(policy: OnnxPolicy, calls: int = 500) -> float:
    """Median time [ms] of one plan, of ``calls``."""
    plan, _ = plan_and_bare(policy)
    times = np.empty(calls)
    for index in range(calls):
        begin = time.perf_counter()
        plan()
        times[index] = time.perf_counter() - begin
    return 1e3 * float(np.median(times))
