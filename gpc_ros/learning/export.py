"""From a trained policy to a policy file, compared with torch before it is written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
import torch

import gpc_ros
from gpc_ros import registry
from gpc_ros.errors import GpcError
from gpc_ros.learning import checkpoint
from gpc_ros.learning.networks import FlowPolicy
from gpc_ros.policy import graph, metadata
from gpc_ros.policy.metadata import PolicyMetadata
from gpc_ros.policy.onnx_policy import TOLERANCE, OnnxPolicy
from gpc_ros.sampling.spline import Spline
from gpc_ros.tasks.base import Task

_COMPARED = 256


def export_checkpoint(file: Path, target: Path, *, last: bool = False) -> float:
    """Write the best policy of the checkpoint ``file``, or its last, to ``target``; the largest difference to torch.

    Raises:
        GpcError: if the checkpoint cannot be read, or the exported policy differs from it.
    """
    trained = checkpoint.load_policy(file, last=last)
    task: Task = registry.load("tasks", trained.robot, Task)()
    with checkpoint.complete(file):
        spc = trained.spc
        spline = Spline(spc.interpolation, spc.knots, spc.horizon_s, float(task.model.opt.timestep))
        about = PolicyMetadata(
            **metadata.of_task(task),
            knots=spline.num_knots,
            period_ns=spline.period_ns,
            interpolation=spline.kind,
            steps=trained.train.flow_steps,
            architecture=trained.train.network,
            version=gpc_ros.__version__,
            training={name: value for name, value in trained.figures.items() if name != "records"},
        )
    return export(trained.policy, about, target)


def export(policy: FlowPolicy, about: PolicyMetadata, target: Path) -> float:
    """Write ``policy`` to ``target``, whole or not at all; the largest difference to torch.

    Raises:
        GpcError: if ONNX Runtime and torch differ by more than ``TOLERANCE``.
    """
    weights = {name: value.cpu().numpy() for name, value in policy.state_dict().items()}
    data = graph.build(weights, about).SerializeToString()
    error = difference(policy, OnnxPolicy(data, about, device="cpu"))
    if not error <= TOLERANCE:
        raise GpcError(f"{target} not written: ONNX Runtime and torch differ by {error:.2g}, more than {TOLERANCE}")
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data)
        beside.replace(target)
    except OSError as failure:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise GpcError(f"{target} not written: {failure.strerror}") from None
    return error


def difference(policy: FlowPolicy, exported: OnnxPolicy) -> float:
    """Largest difference between the two on random inputs, in units of half the ctrlrange."""
    rng, about = np.random.default_rng(0), exported.metadata
    start = rng.standard_normal((_COMPARED, *about.shape)).astype(np.float32)
    spread = policy.observation_std.cpu().numpy()
    observation = policy.observation_mean.cpu().numpy() + spread * rng.standard_normal((_COMPARED, len(spread)))
    inputs = torch.from_numpy(start), torch.from_numpy(observation.astype(np.float32))
    expected = policy.sample(*(tensor.to(policy.device) for tensor in inputs), about.steps).cpu().numpy()
    return float(np.abs(exported.normalized(exported.plans(start, inputs[1].numpy())) - expected).max())
