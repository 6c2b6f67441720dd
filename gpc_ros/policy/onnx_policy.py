"""Runs a policy file on ONNX Runtime. Letters: B batch, K knots, nu actuators, ny observation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gpc_ros.errors import InvalidModel
from gpc_ros.policy import verify
from gpc_ros.policy.extra import onnxruntime
from gpc_ros.policy.metadata import PolicyMetadata, check
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Array
from gpc_ros.tasks.base import Task

Device = Literal["auto", "cuda", "cpu"]
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
TOLERANCE = 1e-4
"""Largest difference to be let through between two ways of computing the same plan, in units of half the ctrlrange."""
_KEPT = 8
"""Batch sizes whose buffers are kept; a robot uses two."""


class OnnxPolicy:
    """A checked policy file, ready to run. Not for two threads at a time: its buffers are used again and again.

    Args:
        data: the file's bytes, checked by ``verify.read``.
        metadata: what it says of itself.
        device: ``auto`` is CUDA where ONNX Runtime has it, else the CPU.

    Attributes:
        metadata: what the file says of itself.
        session: of ONNX Runtime; ``plans`` is the way to use it.

    Raises:
        InvalidModel: if ONNX Runtime cannot load it, or has no CUDA for the device ``cuda``.
    """

    def __init__(self, data: bytes, metadata: PolicyMetadata, *, device: Device = "auto") -> None:
        self.metadata = metadata
        low, high = np.array(metadata.ctrl_low), np.array(metadata.ctrl_high)
        self._middle, self._half = (high + low) / 2, (high - low) / 2
        self.session = _session(data, device)
        self._batches: dict[int, _Batch] = {}

    @classmethod
    def load(cls, file: Path | str, task: Task, *, device: Device = "auto") -> OnnxPolicy:
        """The policy in ``file`` for ``task``.

        Raises:
            InvalidModel: if the file is missing, damaged, changed or made for something else; as the constructor.
        """
        data, metadata = verify.read(Path(file))
        check(metadata, task, file)
        try:
            policy = cls(data, metadata, device=device)
            policy.warm_up(2)
        except InvalidModel as error:
            raise InvalidModel(f"{file}: {error}") from None
        except Exception as error:  # what ONNX Runtime raises has no base class of its own
            raise InvalidModel(f"{file}: does not run: {one_line(error)}") from None
        return policy

    @property
    def provider(self) -> str:
        """What ONNX Runtime really runs it on, as ``CPUExecutionProvider``."""
        return self.session.get_providers()[0]

    @property
    def period_ns(self) -> int:
        """Time between knots [ns]."""
        return self.metadata.period_ns

    @property
    def interpolation(self) -> Interpolation:
        """Between knots."""
        return self.metadata.interpolation

    def normalized(self, knots: Array) -> Array:
        """``knots`` (..., nu) [actuator units] in units of half the ctrlrange around its middle."""
        return (knots - self._middle) / self._half

    def plans(self, start: NDArray[np.floating], observation: NDArray[np.floating]) -> Array:
        """Plans (B, K, nu) [actuator units]; as they come, so perhaps not finite.

        Args:
            start: (B, K, nu) where the flow starts, normalized.
            observation: (ny,) for all, or (B, ny).
        """
        return self._batch(len(start)).run(start, observation)

    def warm_up(self, batch: int) -> None:
        """Run a batch as the loop will: first calls are slow."""
        run = self._batch(batch)
        for _ in range(3):
            run.run(np.zeros((batch, *self.metadata.shape)), np.zeros(self.metadata.observation_size))

    def _batch(self, size: int) -> _Batch:
        if size not in self._batches:
            if len(self._batches) == _KEPT:
                del self._batches[next(iter(self._batches))]
            self._batches[size] = _Batch(self.session, self.metadata, size)
        return self._batches[size]


class _Batch:
    """Inputs and output of one batch size, bound once: half the work around a call, and less to fetch into caches."""

    def __init__(self, session: Any, metadata: PolicyMetadata, size: int) -> None:
        self._session, self._binding = session, session.io_binding()
        self._start, start = _tensor((size, *metadata.shape))
        self._observation, observation = _tensor((size, metadata.observation_size))
        self._plan, plan = _tensor((size, *metadata.shape))
        self._inputs = {"start": start, "observation": observation}
        self._rebind = session.get_providers()[0] != CPU  # binding copies to the device; the CPU reads where we write
        self._bind()
        self._binding.bind_ortvalue_output("plan", plan)

    def run(self, start: NDArray[np.floating], observation: NDArray[np.floating]) -> Array:
        self._start[:] = start
        self._observation[:] = observation
        if self._rebind:
            self._bind()
        self._session.run_with_iobinding(self._binding)
        return self._plan.astype(np.float64)

    def _bind(self) -> None:
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)


def _tensor(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """The same memory for numpy and for ONNX Runtime."""
    array = np.zeros(shape, np.float32)
    return array, onnxruntime.OrtValue.ortvalue_from_numpy(array)


def _session(data: bytes, device: Device) -> Any:
    available = onnxruntime.get_available_providers()
    if device == "cuda" and CUDA not in available:
        raise InvalidModel(
            f"device cuda: ONNX Runtime here has only {', '.join(available)}; "
            "python3 -m pip uninstall onnxruntime, then install 'gpc_ros[policy-gpu]'"
        )
    options = onnxruntime.SessionOptions()
    # Handing over to a thread costs more than so small a network takes. All else is left as it is: without memory
    # patterns it was 5 % slower, and neither arena, optimization level nor a fixed batch size made a difference.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what matters is raised, or seen from the provider
    wanted = [CPU]
    if device != "cpu" and CUDA in available:
        wanted = [CUDA, CPU]
        onnxruntime.preload_dlls()  # CUDA and cuDNN, where they come as wheels
    try:
        session = onnxruntime.InferenceSession(data, options, providers=wanted, enable_fallback=len(wanted) > 1)
    except Exception as error:
        raise InvalidModel(f"ONNX Runtime refuses it: {one_line(error)}") from None
    if device == "cuda" and session.get_providers()[0] != CUDA:
        raise InvalidModel("device cuda: ONNX Runtime fell back to the CPU; its CUDA or cuDNN does not load here")
    return session


def one_line(error: Exception) -> str:
    """What ``error`` says, in one line of bounded length."""
    return " ".join(str(error).split())[:300]
