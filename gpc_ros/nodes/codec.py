"""Signals to messages and back. The one place where names, order and units of the wire meet those of the core.

``header.frame_id`` carries words that no standard message has a field for: ``epoch N`` (resets of the plant; absent
means 0), an estimate's health and whether it was coasted, a plan's interpolation. It may be empty.
"""

from __future__ import annotations

from functools import lru_cache

import mujoco
import numpy as np
from builtin_interfaces.msg import Duration, Time
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from gpc_ros import actuators
from gpc_ros.coordinates import Coordinates
from gpc_ros.errors import InvalidSignal
from gpc_ros.nodes import cdr
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import NS_PER_S, Array, Command, Estimate, Health, Measurement, Plan

_MAX_DIGITS = 18  # of an epoch
_MAX_SHOWN = 40  # characters of a text from the wire that a refusal quotes
_SCALAR = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))


class Codec:
    """Messages of one robot. Decoding raises InvalidSignal for wrong names, sizes or encodings."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self.coordinates = Coordinates(model)
        self.scalar_joints = [i for i in range(model.njnt) if model.jnt_type[i] in _SCALAR]
        self.joint_names = tuple(model.joint(i).name for i in self.scalar_joints)
        self.actuator_names = actuators.names(model)
        kinds = set(actuators.kinds(model))
        self._field = kinds.pop() if len(kinds) == 1 else actuators.EFFORT
        self._decoder = {"joint_states": cdr.JointStateDecoder(), "state": cdr.JointStateDecoder()}
        self._command_decoder = cdr.JointStateDecoder()

    def encode_measurement(self, signal: Measurement) -> bytes:
        """As sensor_msgs/JointState."""
        velocity = signal.readings.get("velocity", ())
        return cdr.encode_joint_state(
            signal.stamp_ns, _words(signal.epoch), self.joint_names, signal.readings["position"], velocity
        )

    def decode_measurement(self, data: bytes) -> Measurement:
        """From sensor_msgs/JointState; names may come in any order."""
        state = self._decoder["joint_states"].decode(data)
        order = _order(state.names, self.joint_names)
        readings = {"position": _reorder(state.position, order, "position")}
        if len(state.velocity):
            readings["velocity"] = _reorder(state.velocity, order, "velocity")
        return Measurement(_stamp(state.stamp_ns), readings, _epoch(state.frame_id))

    def encode_estimate(self, signal: Estimate) -> bytes:
        """As sensor_msgs/JointState over all nv coordinates."""
        health = "" if signal.health is Health.OK else signal.health.name.lower()
        words = _words(signal.epoch, health, "coasted" if signal.coasted else "")
        position = self.coordinates.to_tangent(signal.qpos)
        return cdr.encode_joint_state(signal.stamp_ns, words, self.coordinates.names, position, signal.qvel)

    def decode_estimate(self, data: bytes) -> Estimate:
        """From sensor_msgs/JointState; without covariance."""
        state = self._decoder["state"].decode(data)
        order = _order(state.names, self.coordinates.names)
        qpos = self.coordinates.from_tangent(_reorder(state.position, order, "position"))
        qvel = _reorder(state.velocity, order, "velocity")
        words = state.frame_id
        return Estimate(
            _stamp(state.stamp_ns), qpos, qvel, None, _epoch(words), _health(words), coasted="coasted" in words.split()
        )

    def encode_command(self, signal: Command) -> bytes:
        """As sensor_msgs/JointState: effort, position or velocity, as the actuators take it."""
        return cdr.encode_joint_state(
            signal.stamp_ns, _words(signal.epoch), self.actuator_names, **{self._field: signal.ctrl}
        )

    def decode_command(self, data: bytes) -> Command:
        """From sensor_msgs/JointState."""
        state = self._command_decoder.decode(data)
        order = _order(state.names, self.actuator_names)
        ctrl = _reorder(getattr(state, self._field), order, self._field)
        return Command(_stamp(state.stamp_ns), ctrl, epoch=_epoch(state.frame_id))

    def encode_plan(self, plan: Plan) -> JointTrajectory:
        """As trajectory_msgs/JointTrajectory; a zero-order hold ends with its last knot repeated at the plan's end."""
        message = JointTrajectory(joint_names=list(self.actuator_names))
        message.header.frame_id = _words(plan.epoch, str(plan.interpolation))
        message.header.stamp = time_message(plan.stamp_ns)
        knots = list(plan.knots)
        if plan.interpolation is Interpolation.ZERO and knots:
            knots.append(knots[-1])
        first_ns = plan.start_ns - plan.stamp_ns
        for index, knot in enumerate(knots):
            after = Duration(**_parts(first_ns + index * plan.period_ns))
            message.points.append(
                JointTrajectoryPoint(**{_POINT_FIELD[self._field]: knot.tolist()}, time_from_start=after)
            )
        return message

    def decode_plan(self, data: bytes, planner: str) -> Plan:
        """From trajectory_msgs/JointTrajectory; without points it is a plan that says nothing."""
        trajectory = cdr.decode_joint_trajectory(data)
        stamp_ns, epoch = _stamp(trajectory.stamp_ns), _epoch(trajectory.frame_id)
        knots = trajectory.values[:, _order(trajectory.names, self.actuator_names)]
        if len(knots) < 2:
            return Plan(stamp_ns, stamp_ns, 1, knots[:0], planner=planner, epoch=epoch)
        if trajectory.field != self._field:
            raise InvalidSignal("size", f"plan gives {trajectory.field}, the actuators take {self._field}")
        times = trajectory.times_ns
        period_ns = int(times[1] - times[0])
        if period_ns <= 0 or np.any(np.abs(np.diff(times) - period_ns) > 1):
            raise InvalidSignal("stamp", "points of a plan must be equally spaced in time")
        kind = _interpolation(trajectory.frame_id)
        knots = knots[:-1] if kind is Interpolation.ZERO else knots
        return Plan(stamp_ns, stamp_ns + int(times[0]), period_ns, knots, kind, planner, epoch=epoch)


def time_message(time_ns: int) -> Time:
    """As builtin_interfaces/Time."""
    return Time(**_parts(time_ns))


_POINT_FIELD = {"effort": "effort", "position": "positions", "velocity": "velocities"}


def _parts(time_ns: int) -> dict[str, int]:
    sec, nanosec = divmod(time_ns, NS_PER_S)
    return {"sec": sec, "nanosec": nanosec}


def _stamp(stamp_ns: int) -> int:
    if stamp_ns <= 0:
        raise InvalidSignal("stamp", f"stamp {stamp_ns / NS_PER_S:g} s is not positive")
    return stamp_ns


def _words(epoch: int, *more: str) -> str:
    return " ".join(([f"epoch {epoch}"] if epoch else []) + [word for word in more if word])


@lru_cache(maxsize=64)
def _epoch(frame_id: str) -> int:
    words = frame_id.split()
    if "epoch" in words[:-1]:
        number = words[words.index("epoch") + 1]
        if number.isdecimal() and len(number) <= _MAX_DIGITS:
            return int(number)
        raise InvalidSignal("stamp", f"frame_id '{_shown(frame_id)}': epoch is no number")
    return 0


@lru_cache(maxsize=64)
def _health(frame_id: str) -> Health:
    return next((Health[w.upper()] for w in frame_id.split() if w.upper() in Health.__members__), Health.OK)


@lru_cache(maxsize=64)
def _interpolation(frame_id: str) -> Interpolation:
    values = set(Interpolation)
    return next((Interpolation(w) for w in frame_id.split() if w in values), Interpolation.LINEAR)


@lru_cache(maxsize=64)
def _order(given: tuple[str, ...], expected: tuple[str, ...]) -> list[int]:
    """Where each expected name stands among those given."""
    if set(given) != set(expected) or len(given) != len(expected):
        missing, unknown = sorted(set(expected) - set(given)), sorted(set(given) - set(expected))
        twice = sorted({name for name in given if given.count(name) > 1}) if len(given) < 1000 else []
        found = [
            f"{what}: {', '.join(map(_shown, names[:10]))}"
            for what, names in (("missing", missing), ("unknown", unknown), ("twice", twice))
            if names
        ]
        raise InvalidSignal("names", f"names do not match ({'; '.join(found)}). Expected: {', '.join(expected)}")
    return [given.index(name) for name in expected]


def _shown(text: str) -> str:
    """A text from the wire as a log may hold it: short, and on one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_MAX_SHOWN])


def _reorder(values: Array, order: list[int], what: str) -> Array:
    if len(values) != len(order):
        raise InvalidSignal("size", f"{len(values)} values of {what} for {len(order)} names")
    return values[order]
