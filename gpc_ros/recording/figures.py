"""What is judged in a recorded run: latency and cost, tick by tick.

Letters: T ticks, nq, nv, nu as MuJoCo has them, ng size of the goal.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from gpc_ros import actuators
from gpc_ros.coordinates import Coordinates
from gpc_ros.recording.history import History, Times, Track, goals_of
from gpc_ros.signals import Array
from gpc_ros.tasks.base import States, Task

_WAYS = (("joint_states", "state_estimate"), ("state_estimate", "command"), ("joint_states", "command"))
_MS = 1e6


def latencies(history: History) -> dict[str, tuple[Times, Array]]:
    """Stamps (T,) [ns] and times [ms] from one message's publication to that of what was made of it, by their names."""
    tracks = history.tracks
    sent = {name: (track.stamp_ns, track.sent_ns) for name, track in tracks.items()}
    sent |= {f"{planner}/plan": times for planner, times in history.plans.items()}
    ways = [*_WAYS, *(("state_estimate", f"{planner}/plan") for planner in history.plans)]
    found = {}
    for begin, end in ways:
        if begin in sent and end in sent:
            (a_stamps, a_sent), (b_stamps, b_sent) = sent[begin], sent[end]
            # What was sent again counts from the last time that it was asked to the first time that it was answered.
            stamps, last, first = np.intersect1d(a_stamps[::-1], b_stamps, return_indices=True)
            found[f"{begin} to {end}"] = (stamps, (b_sent[first] - a_sent[::-1][last]) / _MS)
    return found


@dataclass(frozen=True, slots=True)
class Costs:
    """Stamps (T,) [ns], and for each term of the running cost its weighted value (T,), by name."""

    stamp_ns: Times
    terms: dict[str, Array]

    @property
    def total(self) -> Array:
        """Running cost (T,)."""
        return np.sum(list(self.terms.values()), axis=0)


def costs(history: History, task: Task) -> Costs | None:
    """Running cost of every tick that has a state and a command; of the true state, if that was recorded.

    None where there is no such tick. Weights are the task's.

    Raises:
        GpcError: if the names recorded are not those of the task's robot.
    """
    tracks = history.tracks
    state = tracks.get("ground_truth", tracks.get("state_estimate"))
    if state is None or "command" not in tracks:
        return None
    command = tracks["command"]
    stamps, of_state, of_command = np.intersect1d(state.stamp_ns, command.stamp_ns, return_indices=True)
    if not len(stamps):
        return None
    ctrl = controls(command, task)[of_command]
    states = _states(state, task, of_state, ctrl)
    residuals = task.running_residuals(states, ctrl, _goals(history, task, state.sent_ns[of_state]))
    terms = {
        name: np.broadcast_to(task.running_weights[name] * sum(c * c for c in components), len(stamps))
        for name, components in residuals.items()
    }
    return Costs(stamps, terms)


def controls(command: Track, task: Task) -> Array:
    """Commands (T, nu) in actuator units."""
    kinds = set(actuators.kinds(task.model))
    kind = kinds.pop() if len(kinds) == 1 else actuators.EFFORT
    return command.values(kind, actuators.names(task.model))


def _states(track: Track, task: Task, rows: np.ndarray, ctrl: Array) -> States:
    coordinates = Coordinates(task.model)
    position, qvel = (track.values(kind, coordinates.names)[rows] for kind in ("position", "velocity"))
    qpos = np.array([coordinates.from_tangent(row) for row in position])
    if not task.needs_sensors:
        return States(qpos, qvel)
    data = mujoco.MjData(task.model)
    sensors = np.empty((len(rows), task.model.nsensordata))
    for row in range(len(rows)):
        data.qpos[:], data.qvel[:], data.ctrl[:] = qpos[row], qvel[row], ctrl[row]
        mujoco.mj_forward(task.model, data)
        sensors[row] = data.sensordata
    return States(qpos, qvel, sensors)


def _goals(history: History, task: Task, sent_ns: Times) -> Array:
    """The goal (T, ng) in force at each time (T,) [ns]; before the first one that one."""
    if not task.goal or not (said := goals_of(history.poses, task)):
        return np.array(task.goal, dtype=float)
    times, goals = zip(*said, strict=True)
    latest = np.searchsorted(times, sent_ns, side="right") - 1
    found: Array = np.array(goals)[np.maximum(latest, 0)]
    return found
