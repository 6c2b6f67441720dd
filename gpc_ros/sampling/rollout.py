"""Rolls many control sequences out at once, in one or several models, with ``mujoco.rollout`` on a thread pool.

Letters: D domains (models), N candidates, T planning steps.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from mujoco.rollout import Rollout
from numpy.typing import NDArray

from gpc_ros.errors import InvalidModel
from gpc_ros.signals import Array
from gpc_ros.tasks.base import States

_START_S = 1.0
"""Time at which rollouts start: MuJoCo answers a diverging state with a reset to time 0, which this betrays."""
_PHYSICS = mujoco.mjtState.mjSTATE_FULLPHYSICS
_CTRL = int(mujoco.mjtState.mjSTATE_CTRL)


@dataclass(frozen=True, slots=True)
class Trajectories:
    """States (D, N, T+1) under ``controls`` (N, T, nu); ``finite`` (D, N) is false where the physics diverged.

    The states are views of buffers that the next call of ``Rollouts.roll`` overwrites.
    """

    states: States
    controls: Array
    finite: NDArray[np.bool_]


class Rollouts:
    """Rolls out control sequences of ``steps`` planning steps.

    Every rollout starts from the state alone, with the constraint solver's warm start cleared, so the result
    does not depend on the number of threads, on the order of the candidates or on earlier calls.

    Args:
        models: one per domain, of equal sizes; not changed.
        steps: T.
        threads: size of the pool; 0 or 1 computes in the calling thread.
        sensors: whether ``States.sensors`` is wanted. MuJoCo evaluates sensors at the start of a step, so
            one step more is rolled to have them at the last state too.

    Raises:
        InvalidModel: if the models differ in size.
    """

    def __init__(
        self, models: Sequence[mujoco.MjModel], *, steps: int, threads: int = 0, sensors: bool = False
    ) -> None:
        sizes = {(m.nq, m.nv, m.nu, m.na, m.nsensordata, m.opt.timestep) for m in models}
        if len(sizes) != 1:
            raise InvalidModel(f"domains need models of one size, got (nq, nv, nu, na, sensors, dt): {sorted(sizes)}")
        self.models = tuple(models)
        self.steps = steps
        self._sensors = sensors
        self._pool = Rollout(nthread=threads if threads > 1 else 0)
        self._data = [mujoco.MjData(models[0]) for _ in range(max(1, threads))]
        self._size = mujoco.mj_stateSize(models[0], _PHYSICS)
        self._buffers: dict[tuple[int, int], _Buffers] = {}

    def roll(self, qpos: Array, qvel: Array, controls: Array) -> Trajectories:
        """Roll out ``controls`` (N, T, nu) from one state (nq,), (nv,), or one per candidate (N, nq), (N, nv).

        Each domain can have states of its own, (D, N, nq), (D, N, nv).
        """
        model, count, steps = self.models[0], len(controls), self.steps
        buffers = self._buffers.get((count, steps))
        if buffers is None:
            buffers = self._buffers[count, steps] = _Buffers(self.models, count, steps, self._size, self._sensors)
        nq, nv, domains = model.nq, model.nv, len(self.models)
        start = buffers.start
        start[..., 1 : 1 + nq] = qpos
        start[..., 1 + nq : 1 + nq + nv] = qvel
        buffers.controls[:, :, :steps] = controls
        if self._sensors:
            buffers.controls[:, :, steps] = controls[:, -1]
        with _SILENCE:
            self._pool.rollout(
                buffers.models,
                self._data,
                start.reshape(domains * count, -1),
                buffers.controls.reshape(domains * count, -1, model.nu),
                control_spec=_CTRL,
                skip_checks=True,
                nstep=steps + self._sensors,
                state=buffers.states,
                sensordata=buffers.sensors,
            )
        rolled = buffers.states.reshape(domains, count, -1, self._size)[:, :, :steps]
        buffers.whole[..., 1:] = rolled.transpose(3, 0, 1, 2)  # time last and contiguous: costs are sums over it
        buffers.whole[..., 0] = start.transpose(2, 0, 1)
        return self._trajectories(buffers, controls)

    def shorter(self, steps: int) -> Rollouts:
        """The same for ``steps``, with the same threads and buffers: each overwrites the states of the other."""
        other = copy.copy(self)
        other.steps = steps
        return other

    def _trajectories(self, buffers: _Buffers, controls: Array) -> Trajectories:
        model, whole = self.models[0], buffers.whole.transpose(1, 2, 3, 0)
        nq, nv = model.nq, model.nv
        sensors = buffers.sensors.reshape(*whole.shape[:3], -1) if self._sensors else None
        states = States(whole[..., 1 : 1 + nq], whole[..., 1 + nq : 1 + nq + nv], sensors)
        end_s = _START_S + self.steps * model.opt.timestep
        finite = np.abs(whole[:, :, -1, 0] - end_s) < 0.5 * model.opt.timestep
        return Trajectories(states, controls, finite)


class _Buffers:
    """Inputs and outputs of one batch size, allocated once."""

    def __init__(self, models: Sequence[mujoco.MjModel], count: int, steps: int, size: int, sensors: bool) -> None:
        domains, model, rolled = len(models), models[0], steps + sensors
        self.models = [model for model in models for _ in range(count)]
        self.start = np.zeros((domains, count, size))
        self.start[..., 0] = _START_S
        self.controls = np.empty((domains, count, rolled, model.nu))
        self.states = np.empty((domains * count, rolled, size))
        self.sensors = np.empty((domains * count, rolled, model.nsensordata))
        self.whole = np.empty((size, domains, count, steps + 1))


class _Silence:
    """While any thread is inside, MuJoCo's warnings are dropped: or every diverging candidate is logged to a file.

    The handler is one for the whole process: the first thread in puts it aside, the last one out puts it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._handler: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._handler = mujoco.get_mju_user_warning()
                mujoco.set_mju_user_warning(_ignore)
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                mujoco.set_mju_user_warning(self._handler)


_SILENCE = _Silence()


def _ignore(message: str) -> None:
    del message
