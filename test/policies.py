"""Policy files for tests, with known laws: U = clip(keep U0 + F y + offset), in units of the ctrlrange."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import onnx
from scipy.linalg import solve_discrete_are

from gpc_ros import config, registry
from gpc_ros.node_parameters import SpcNodeParameters
from gpc_ros.policy import graph
from gpc_ros.policy.architecture import Architecture
from gpc_ros.policy.metadata import PolicyMetadata, of_task
from gpc_ros.sampling.spline import Spline
from gpc_ros.signals import Array
from gpc_ros.tasks.base import Task


def write(
    file: Path,
    robot: str = "cart_pole",
    *,
    keep: float = 1.0,
    feedback: Array | None = None,
    offset: float = 0.0,
    **changes: object,
) -> Path:
    """A policy file of one Euler step, linear because swish(x) - swish(-x) = x.

    Args:
        file: where to write it.
        robot: whose task, and whose knots.
        keep: share of the start U0 that stays.
        feedback: F (nu, ny), the same for each knot, or (knots * nu, ny).
        offset: added to every knot.
        changes: of its metadata, as ``knots``.
    """
    task: Task = registry.load("tasks", robot, Task)()
    metadata = metadata_of(task, **changes)
    width, ny = metadata.knots * task.model.nu, len(metadata.observation_probe)
    linear = np.zeros((width, width + ny + 1))
    linear[:, :width] = (keep - 1.0) * np.eye(width)
    if feedback is not None:
        linear[:, width:-1] = np.tile(feedback, (width // len(feedback), 1))
    weights = {
        "network.layers.0.weight": np.concatenate([linear, -linear]),
        "network.layers.0.bias": np.repeat([offset, -offset], width),
        "network.layers.1.weight": np.concatenate([np.eye(width), -np.eye(width)], axis=1),
        "network.layers.1.bias": np.zeros(width),
        "observation_mean": np.zeros(ny),
        "observation_std": np.ones(ny),
    }
    file.write_bytes(
        graph.build({name: w.astype(np.float32) for name, w in weights.items()}, metadata).SerializeToString()
    )
    return file


def metadata_of(task: Task, **changes: object) -> PolicyMetadata:
    """Metadata of a policy for ``task`` whose plans have the knots of its ``spc``, but for ``changes``."""
    spc = config.load(task.name, "spc", SpcNodeParameters)
    knots = int(str(changes.get("knots", spc.knots)))
    spline = Spline(spc.interpolation, knots, spc.horizon_s, float(task.model.opt.timestep))
    values = {
        "knots": knots,
        "period_ns": spline.period_ns,
        "interpolation": spc.interpolation,
        "steps": 1,
        "architecture": Architecture(hidden=[2 * knots * task.model.nu]),
        "training": {"success": 1.0},
    }
    return PolicyMetadata(**{**of_task(task), **values, **changes})


def balancing(file: Path) -> Path:
    """A policy that keeps cart_pole upright: the LQR of its linearization, with the plan that follows from it."""
    task: Task = registry.load("tasks", "cart_pole", Task)()
    model = task.load_model()
    model.opt.timestep = 0.002
    data = mujoco.MjData(model)
    data.qpos[:] = task.start("upright").qpos
    a, b = np.zeros((4, 4)), np.zeros((4, 1))
    mujoco.mjd_transitionFD(model, data, 1e-6, True, a, b, None, None)
    r = 0.1 * np.eye(1)
    p = solve_discrete_are(a, b, np.diag([1.0, 10.0, 0.1, 0.1]), r)
    gain = np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a)
    metadata = metadata_of(task)
    steps = round(metadata.period_ns * 1e-9 / model.opt.timestep)
    closed = np.linalg.matrix_power(a - b @ gain, steps)
    gains = np.concatenate([gain @ np.linalg.matrix_power(closed, knot) for knot in range(metadata.knots)])
    feedback = -np.insert(gains, 1, 0.0, axis=1) / task.model.actuator_ctrlrange[0, 1]
    feedback[:, 2] *= -1.0  # the observation has cos and sin of the angle, and sin is -(angle - pi) up there
    return write(file, keep=0.0, feedback=feedback)


def bad_files(folder: Path) -> dict[Path, str]:
    """One of each kind of policy file that cart_pole cannot use, and a word of why."""
    whole = write(folder / "whole.onnx").read_bytes()
    proto, task = onnx.load_model_from_string(whole), registry.load("tasks", "cart_pole", Task)()
    weight, shape, nan = bytearray(whole), onnx.ModelProto(), onnx.ModelProto()
    weight[len(whole) // 2] ^= 1
    shape.CopyFrom(proto)
    graph.sign(shape, metadata_of(task, knots=5))
    nan.CopyFrom(proto)
    constant = next(each for each in nan.graph.initializer if each.data_type == onnx.TensorProto.FLOAT)
    values = onnx.numpy_helper.to_array(constant).copy()
    values.flat[0] = np.nan
    constant.CopyFrom(onnx.numpy_helper.from_array(values, constant.name))
    graph.sign(nan, metadata_of(task))
    contents = {
        "garbage": (b"no policy", "not"),
        "cut": (whole[: len(whole) // 2], "cut off"),
        "changed": (bytes(weight), "changed since it was written"),
        "shape": (shape.SerializeToString(), "inputs and output are"),
        "nan": (nan.SerializeToString(), "not finite"),
    }
    for name, (data, _) in contents.items():
        (folder / f"{name}.onnx").write_bytes(data)
    found = {folder / f"{name}.onnx": words for name, (_, words) in contents.items()}
    found[write(folder / "robot.onnx", "pendulum")] = "task is pendulum"
    found[write(folder / "plan.onnx", keep=0.0, feedback=np.full((1, 5), 3e38), offset=3e38)] = "is not finite"
    found[folder / "missing.onnx"] = "No such file"
    return found
