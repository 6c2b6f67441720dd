"""Signals to messages and back. The one place where names, order and units of the wire meet those of the core.

``header.frame_id`` carries words that no standard message has a field for: ``epoch N`` (resets of the plant; absent
means 0), an estimate's health and whether it was coasted, a plan's interpolation. It may be empty. Samples have no
header: the labels of their axes carry such words, ``stamp N`` [ns] and ``period N`` [ns] among them.
"""

from __future__ import annotations

import math
from functools import lru_cache

import mujoco
import numpy as np
from builtin_interfaces.msg import Time

from gpc_ros import actuators
from gpc_ros.coordinates import Coordinates
from gpc_ros.errors import InvalidSignal
from gpc_ros.nodes import cdr, cdr_plans
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import NS_PER_S, Array, Command, Estimate, Health, Measurement, Plan, Samples

_MAX_DIGITS = 19  # of an epoch, a stamp
_MAX_NUMBER = 2**63
_MAX_SHOWN = 40  # characters of a text from the wire that a refusal quotes
_SCALAR = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))


class Codec:
    """Messages of one robot. Decoding raises InvalidSignal for wrong names, sizes or encodings."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self.coordinates = Coordinates(model)
        self.scalar_joints = [i for i in range(model.njnt) if model.jnt_type[i] in _SCALAR]
        self.joint_names = tuple(model.joint(i).name for i in self.scalar_joints)
        self.free_joints = tuple(
            model.joint(i).name for i in range(model.njnt) if model.jnt_type[i] == mujoco.mjtJoint.mjJNT_FREE
        )
        self.actuator_names = actuators.names(model)
        self._actuator_label = f"actuator {' '.join(self.actuator_names)}"
        kinds = set(actuators.kinds(model))
        self._field = kinds.pop() if len(kinds) == 1 else actuators.EFFORT
        self._decoder = {"joint_states": cdr.JointStateDecoder(), "state": cdr.JointStateDecoder()}
        self._command_decoder = cdr.JointStateDecoder()
        self._plan_decoder = cdr_plans.JointTrajectoryDecoder()

    def encode_measurement(self, signal: Measurement) -> bytes:
        """As sensor_msgs/JointState: hinges and slides; free joints are in ``odometry``."""
        position, velocity = (signal.readings.get(name, ()) for name in ("position", "velocity"))
        return cdr.encode_joint_state(signal.stamp_ns, _words(signal.epoch), self.joint_names, position, velocity)

    def decode_measurement(self, data: bytes) -> Measurement:
        """From sensor_msgs/JointState; names may come in any order."""
        state = self._decoder["joint_states"].decode(data)
        order = _order(state.names, self.joint_names)
        position = _reorder(state.position, order, "position")
        readings = {"position": position} if order else {}
        if len(state.velocity):
            readings["velocity"] = _reorder(state.velocity, order, "velocity")
        return Measurement(positive(state.stamp_ns), readings, _epoch(state.frame_id))

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
        words, stamp_ns = state.frame_id, positive(state.stamp_ns)
        coasted = "coasted" in words.split()
        return Estimate(stamp_ns, qpos, qvel, None, _epoch(words), _health(words), coasted=coasted)

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
        return Command(positive(state.stamp_ns), ctrl, epoch=_epoch(state.frame_id))

    def encode_plan(self, plan: Plan) -> bytes:
        """As trajectory_msgs/JointTrajectory; a zero-order hold ends with its last knot repeated at the plan's end."""
        words, knots = _words(plan.epoch, str(plan.interpolation)), plan.knots
        if plan.interpolation is Interpolation.ZERO and len(knots):
            knots = np.concatenate([knots, knots[-1:]])
        times_ns = plan.start_ns - plan.stamp_ns + plan.period_ns * np.arange(len(knots))
        return cdr_plans.encode_joint_trajectory(
            cdr_plans.JointTrajectory(plan.stamp_ns, words, self.actuator_names, self._field, knots, times_ns)
        )

    def decode_plan(self, data: bytes, planner: str) -> Plan:
        """From trajectory_msgs/JointTrajectory; without points it is a plan that says nothing."""
        trajectory = self._plan_decoder.decode(data)
        stamp_ns, epoch = positive(trajectory.stamp_ns), _epoch(trajectory.frame_id)
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

    def encode_samples(self, samples: Samples) -> bytes:
        """As std_msgs/Float64MultiArray (S, K, nu), whose labels say what a header would, and more."""
        labels = (
            f"sample stamp {samples.stamp_ns} {_words(samples.epoch)}".rstrip(),
            f"knot period {samples.period_ns} {samples.interpolation}",
            self._actuator_label,
        )
        return cdr_plans.encode_multi_array(labels, samples.knots)

    def decode_samples(self, data: bytes) -> Samples:
        """From std_msgs/Float64MultiArray, as ``encode_samples`` makes it."""
        labels, knots = cdr_plans.decode_multi_array(data)
        named = len(labels) == 3 and labels[2] == self._actuator_label
        if not (named and knots.shape[1] and knots.shape[2] == len(self.actuator_names)):
            shown = ", ".join(map(_shown, labels[:3]))
            raise InvalidSignal(
                "names", f"samples are labelled {shown}. Expected: sample, knot, {self._actuator_label}"
            )
        stamp_ns, period_ns = _number(labels[0], "stamp"), _number(labels[1], "period")
        return Samples(positive(stamp_ns), max(period_ns, 1), knots, _interpolation(labels[1]), _epoch(labels[0]))

    def encode_candidates(self, samples: Samples, costs: Array) -> bytes:
        """As std_msgs/Float64MultiArray (N, 1 + K nu): each row a cost and its knots; labelled as samples are."""
        labels = (
            f"candidate stamp {samples.stamp_ns} {_words(samples.epoch)}".rstrip(),
            f"cost and knots period {samples.period_ns} {samples.interpolation}",
        )
        rows = samples.knots.reshape(len(costs), math.prod(samples.knots.shape[1:]))
        return cdr_plans.encode_multi_array(labels, np.column_stack([costs, rows]))

    def decode_candidates(self, data: bytes) -> tuple[Samples, Array]:
        """Candidates (N, K, nu) and costs (N,) from std_msgs/Float64MultiArray, as ``encode_candidates`` makes it."""
        labels, rows = cdr_plans.decode_multi_array(data)
        nu = len(self.actuator_names)
        if len(labels) != 2 or rows.shape[1] < 1 + nu or (rows.shape[1] - 1) % nu:
            raise InvalidSignal("size", f"candidates of shape {rows.shape} are no rows of a cost and knots of {nu}")
        stamp_ns, period_ns = _number(labels[0], "stamp"), _number(labels[1], "period")
        knots = rows[:, 1:].reshape(len(rows), (rows.shape[1] - 1) // nu, nu)
        kind = _interpolation(labels[1])
        return Samples(positive(stamp_ns), max(period_ns, 1), knots, kind, _epoch(labels[0])), rows[:, 0]


def time_message(time_ns: int) -> Time:
    """As builtin_interfaces/Time."""
    sec, nanosec = divmod(time_ns, NS_PER_S)
    return Time(sec=sec, nanosec=nanosec)


def positive(stamp_ns: int) -> int:
    """``stamp_ns``; raises InvalidSignal where it is none."""
    if stamp_ns <= 0:
        raise InvalidSignal("stamp", f"stamp {stamp_ns / NS_PER_S:g} s is not positive")
    return stamp_ns


def _words(epoch: int, *more: str) -> str:
    return " ".join(([f"epoch {epoch}"] if epoch else []) + [word for word in more if word])


@lru_cache(maxsize=64)
def _epoch(words: str) -> int:
    return _number(words, "epoch")


def _number(text: str, name: str) -> int:
    """The number that follows ``name`` among the words of ``text``, or 0."""
    words = text.split()
    if name in words[:-1]:
        number = words[words.index(name) + 1]
        if number.isdecimal() and len(number) <= _MAX_DIGITS and int(number) < _MAX_NUMBER:
            return int(number)
        raise InvalidSignal("stamp", f"'{_shown(text)}': {name} is no number")
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
