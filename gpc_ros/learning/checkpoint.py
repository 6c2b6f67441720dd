"""Checkpoints of a training: arrays and plain values in one file without pickle, whole or not there."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gpc_ros import archive
from gpc_ros.config import make
from gpc_ros.control.spc import SpcParameters
from gpc_ros.errors import GpcError
from gpc_ros.learning.networks import FlowPolicy
from gpc_ros.learning.parameters import TrainParameters

NAME = "checkpoint.npz"
"""Of the file in the folder of a training."""
FORMAT = 1


def write(file: Path, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write ``about`` (plain values) and ``arrays`` to ``file``.

    Raises:
        GpcError: if that cannot be; what was there is still there.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        archive.write(file, {"format": FORMAT, **about}, arrays, sync=True)
    except OSError as error:
        raise GpcError(f"{file} not written: {error.strerror or error}") from None


def read(file: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What ``write`` wrote.

    Raises:
        GpcError: if the file is missing, damaged, or no checkpoint of this format.
    """
    about, arrays = archive.read(file)
    if (found := about.get("format")) != FORMAT:
        raise GpcError(f"{file}: checkpoint of format {found}, this version of gpc_ros reads format {FORMAT}")
    return about, arrays


@contextmanager
def complete(file: Path) -> Iterator[None]:
    """What goes wrong inside, while the content of a checkpoint is put to use, is said of ``file`` in one line."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise GpcError(f"{file}: incomplete checkpoint: {' '.join(str(error).split())[:200]}") from None


def flatten(name: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, NDArray[Any]]:
    """A state dictionary as arrays, each called ``name/key``."""
    return {f"{name}/{key}": value.detach().cpu().numpy() for key, value in tensors.items()}


def unflatten(name: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
    """The state dictionary that ``flatten`` called ``name``."""
    prefix = f"{name}/"
    return {key.removeprefix(prefix): torch.from_numpy(a) for key, a in arrays.items() if key.startswith(prefix)}


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of what a checkpoint holds, whatever is said of it."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(f"{name} {arrays[name].dtype} {arrays[name].shape} ".encode())
        found.update(np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def settings(file: Path, about: Mapping[str, Any]) -> tuple[TrainParameters, SpcParameters]:
    """The settings ``train`` and ``spc`` that the checkpoint ``file`` was made with.

    Raises:
        GpcError: if they are missing, or not settings of this version.
    """
    with complete(file):
        fields = SpcParameters.model_fields
        spc = {name: value for name, value in about["spc"].items() if name in fields}  # not those of the node
        return make(TrainParameters, about["train"], str(file)), make(SpcParameters, spc, str(file))


@dataclasses.dataclass(frozen=True, slots=True)
class Trained:
    """A policy and what is known of it: the ``robot``, the settings ``train`` and ``spc``, figures of the training."""

    policy: FlowPolicy
    robot: str
    train: TrainParameters
    spc: SpcParameters
    figures: Mapping[str, Any]


def load_policy(file: Path, *, last: bool = False) -> Trained:
    """The best policy of a checkpoint by the training's own validation, or the ``last``.

    The validation has few starts; learning has slowed down by the end, so the last may well be the better one.

    Raises:
        GpcError: if the file is missing, damaged, or no checkpoint.
    """
    about, arrays = read(file)
    train, spc = settings(file, about)
    with complete(file):
        policy = FlowPolicy(train.network, **about["sizes"])
        policy.load_state_dict(_newest(arrays) if last else unflatten("best", arrays))
        return Trained(policy, about["robot"], train, spc, _of_last(about["figures"]) if last else about["figures"])


def _newest(arrays: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The averaged weights of the fit as it stands."""
    fit = unflatten("fit", arrays)
    return {name.removeprefix("average."): value for name, value in fit.items() if name.startswith("average.")}


def _of_last(figures: Mapping[str, Any]) -> dict[str, Any]:
    """``figures`` with the last iteration's verdict in place of the best one's."""
    record = figures["records"][-1]
    verdict = {"success": record["success"], "named_start": record["named"], "validation_cost": record["cost"]}
    return {**figures, **verdict, "last": True}
