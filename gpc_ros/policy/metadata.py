"""What a policy file says of itself, and whether that fits the robot at hand."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from pydantic import Field, model_validator

from gpc_ros import actuators
from gpc_ros.config import Parameters
from gpc_ros.errors import InvalidModel
from gpc_ros.policy.architecture import Architecture
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.tasks.base import States, Task

KEY = "gpc_ros"
"""Under which the metadata stand in the ONNX file, as JSON."""
FORMAT = 1
"""The format that this version writes and reads."""
UNSIGNED = "0" * 64
"""In place of the digest while it is computed."""
_CLOSE = 1e-6


class PolicyMetadata(Parameters):
    """What the policy was made for and how. All that follows from the robot is checked before the policy drives."""

    format_version: int = Field(default=FORMAT, description="of the file")
    task: str = Field(description="robot and task")
    observation_probe: list[float] = Field(description="the observation of one state: tells size, order, meaning")
    actuators: list[str] = Field(description="names, in order")
    ctrl_low: list[float] = Field(description="lower ends of the ctrlranges")
    ctrl_high: list[float] = Field(description="upper ends of the ctrlranges")
    knots: int = Field(description="of a plan", ge=1)
    period_ns: int = Field(description="time between knots [ns]", ge=1)
    interpolation: Interpolation = Field(description="between knots")
    steps: int = Field(description="Euler steps of the flow", ge=1)
    architecture: Architecture = Field(description="of the network")
    version: str = Field(default="", description="of gpc_ros that wrote the file")
    training: dict[str, Any] = Field(default={}, description="figures of the training")
    sha256: str = Field(
        default=UNSIGNED, description="of the whole file, with zeros in this place", pattern="^[0-9a-f]{64}$"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> PolicyMetadata:
        if not len(self.actuators) == len(self.ctrl_low) == len(self.ctrl_high):
            raise ValueError(
                f"{len(self.actuators)} actuators, {len(self.ctrl_low)} ctrl_low, {len(self.ctrl_high)} ctrl_high"
            )
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Of a plan: (K, nu)."""
        return self.knots, len(self.actuators)

    @property
    def observation_size(self) -> int:
        """Of an observation: ny."""
        return len(self.observation_probe)


def digest(data: bytes, sha256: str) -> str:
    """SHA-256 of a file's ``data`` with zeros in place of ``sha256``, the digest that it holds."""
    return hashlib.sha256(data.replace(sha256.encode(), UNSIGNED.encode())).hexdigest()


def of_task(task: Task) -> dict[str, Any]:
    """The fields that follow from the robot and its task."""
    low, high = task.model.actuator_ctrlrange.T
    return {
        "task": task.name,
        "observation_probe": _probe(task),
        "actuators": list(actuators.names(task.model)),
        "ctrl_low": low.tolist(),
        "ctrl_high": high.tolist(),
    }


def check(metadata: PolicyMetadata, task: Task, file: Path | str) -> None:
    """Refuse a policy that was made for something else.

    Raises:
        InvalidModel: names the file, the field, the value found and the value expected.
    """
    for name, expected in of_task(task).items():
        found = getattr(metadata, name)
        if not _same(found, expected):
            raise InvalidModel(f"{file}: {name} is {_short(found)}, {task.name} needs {_short(expected)}")


def _probe(task: Task) -> list[float]:
    """The observation of a state that no symmetry leaves alone."""
    model, rng = task.model, np.random.default_rng(0)
    qpos = model.qpos0.copy()
    mujoco.mj_integratePos(model, qpos, rng.uniform(-1.0, 1.0, model.nv), 1.0)
    states = States(qpos[np.newaxis], rng.uniform(-1.0, 1.0, (1, model.nv)))
    return task.observe(states, np.array(task.goal, dtype=float))[0].tolist()


def _same(found: Any, expected: Any) -> bool:
    if isinstance(expected, list) and expected and isinstance(expected[0], float):
        return len(found) == len(expected) and bool(np.allclose(found, expected, rtol=_CLOSE, atol=_CLOSE))
    return found == expected


def _short(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], float):
        return f"{len(value)} values, {[round(v, 4) for v in value[:8]]}{'...' if len(value) > 8 else ''}"
    return str(value)[:200]
