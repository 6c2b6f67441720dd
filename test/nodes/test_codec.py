"""Signals to messages and back: bit-exact, names in any order, one clear refusal for everything else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpc_ros import config, registry
from gpc_ros.errors import InvalidSignal
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Command, Estimate, Health, Measurement, Plan, Samples
from gpc_ros.tasks.base import Task

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("trajectory_msgs.msg", reason="needs the ROS package trajectory_msgs")
from rclpy.serialization import deserialize_message, serialize_message
from trajectory_msgs.msg import JointTrajectory

from gpc_ros.nodes import cdr, cdr_plans
from gpc_ros.nodes.codec import Codec

NS = 1_000_000_000
PERIOD = 2_000_000
CODECS = {robot: Codec(registry.load("tasks", robot, Task)().model) for robot in config.robots()}
ROBOTS = sorted(CODECS)
STAMP = st.integers(1, 2**31 * NS - 1)
EPOCH = st.integers(0, 10**6)


def values(count: int, *, finite: bool = True) -> st.SearchStrategy[np.ndarray]:
    numbers = st.floats(width=64, allow_nan=not finite, allow_infinity=not finite)
    return st.lists(numbers, min_size=count, max_size=count).map(np.array)


def turns(count: int) -> st.SearchStrategy[np.ndarray]:
    return st.lists(st.floats(-1.5, 1.5), min_size=count, max_size=count).map(np.array)


def equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == np.asarray(b, dtype=float).tobytes() and a.dtype == np.float64


def trajectory(data: bytes) -> JointTrajectory:
    return deserialize_message(data, JointTrajectory)


@pytest.mark.parametrize("robot", ROBOTS)
@given(data=st.data(), stamp=STAMP, epoch=EPOCH, with_velocity=st.booleans())
@settings(max_examples=40, deadline=None)
def test_measurements(robot: str, data: st.DataObject, stamp: int, epoch: int, with_velocity: bool) -> None:
    codec = CODECS[robot]
    readings = {"position": data.draw(values(len(codec.joint_names), finite=False))}
    if with_velocity:
        readings["velocity"] = data.draw(values(len(codec.joint_names), finite=False))
    found = codec.decode_measurement(codec.encode_measurement(Measurement(stamp, readings, epoch)))
    assert (found.stamp_ns, found.epoch, set(found.readings)) == (stamp, epoch, set(readings))
    assert all(equal(found.readings[name], readings[name]) for name in readings)


@pytest.mark.parametrize("robot", ROBOTS)
@given(data=st.data(), stamp=STAMP, epoch=EPOCH, health=st.sampled_from(Health), coasted=st.booleans())
@settings(max_examples=40, deadline=None)
def test_estimates(robot: str, data: st.DataObject, stamp: int, epoch: int, health: Health, coasted: bool) -> None:
    codec = CODECS[robot]
    nv = len(codec.coordinates.names)
    qpos = data.draw(values(nv)) if not codec.free_joints else codec.coordinates.from_tangent(data.draw(turns(nv)))
    sent = Estimate(stamp, qpos, data.draw(values(nv)), epoch=epoch, health=health, coasted=coasted)
    found = codec.decode_estimate(codec.encode_estimate(sent))
    assert (found.stamp_ns, found.epoch, found.health, found.coasted) == (stamp, epoch, health, coasted)
    assert equal(found.qvel, sent.qvel)
    if codec.free_joints:  # a rotation goes as a rotation vector
        np.testing.assert_allclose(found.qpos, sent.qpos, atol=1e-12)
    else:
        assert equal(found.qpos, sent.qpos)


@pytest.mark.parametrize("robot", ROBOTS)
@given(data=st.data(), stamp=STAMP, epoch=EPOCH)
@settings(max_examples=40, deadline=None)
def test_commands(robot: str, data: st.DataObject, stamp: int, epoch: int) -> None:
    codec = CODECS[robot]
    ctrl = data.draw(values(len(codec.actuator_names), finite=False))
    found = codec.decode_command(codec.encode_command(Command(stamp, ctrl, "spc", "because", epoch)))
    assert (found.stamp_ns, found.epoch) == (stamp, epoch)
    assert equal(found.ctrl, ctrl)


@pytest.mark.parametrize("robot", ROBOTS)
@given(
    data=st.data(),
    stamp=st.integers(NS, 2**30 * NS),
    start=st.integers(-NS, NS),
    period=st.integers(1, NS),
    kind=st.sampled_from(Interpolation),
    epoch=EPOCH,
)
@settings(max_examples=40, deadline=None)
def test_plans(
    robot: str, data: st.DataObject, stamp: int, start: int, period: int, kind: Interpolation, epoch: int
) -> None:
    codec = CODECS[robot]
    nu = len(codec.actuator_names)
    count = data.draw(st.integers(1 if kind is Interpolation.ZERO else 2, 4))
    knots = np.array([data.draw(values(nu, finite=False)) for _ in range(count)])
    sent = Plan(stamp, stamp + start, period, knots, kind, "spc", epoch=epoch)
    found = codec.decode_plan(codec.encode_plan(sent), "spc")
    for name in ("stamp_ns", "start_ns", "period_ns", "end_ns", "interpolation", "planner", "epoch"):
        assert getattr(found, name) == getattr(sent, name)
    assert equal(found.knots, knots)


@pytest.mark.parametrize("robot", ROBOTS)
def test_a_plan_without_knots_says_nothing(robot: str) -> None:
    codec = CODECS[robot]
    empty = Plan(NS, NS, 1, np.empty((0, len(codec.actuator_names))), planner="spc", epoch=3)
    found = codec.decode_plan(codec.encode_plan(empty), "spc")
    assert (found.stamp_ns, found.epoch, found.knots.shape) == (NS, 3, empty.knots.shape)
    assert found.at(NS) is None


@pytest.mark.parametrize("robot", ROBOTS)
def test_names_may_come_in_any_order(robot: str) -> None:
    codec, rng = CODECS[robot], np.random.default_rng(1)
    field = codec._field
    for _ in range(5):
        order = rng.permutation(len(codec.coordinates.names))
        position, velocity = rng.standard_normal((2, len(order)))
        names = tuple(codec.coordinates.names[i] for i in order)
        found = codec.decode_estimate(cdr.encode_joint_state(NS, "", names, position[order], velocity[order]))
        assert equal(found.qpos, codec.coordinates.from_tangent(position))
        assert equal(found.qvel, velocity)
        order = rng.permutation(len(codec.actuator_names))
        ctrl = rng.standard_normal(len(order))
        names = tuple(codec.actuator_names[i] for i in order)
        assert equal(codec.decode_command(cdr.encode_joint_state(NS, "", names, **{field: ctrl[order]})).ctrl, ctrl)
        message = trajectory(codec.encode_plan(Plan(NS, NS, PERIOD, ctrl[None])))
        message.joint_names = list(names)
        for point in message.points:
            plural = {"position": "positions", "velocity": "velocities", "effort": "effort"}[field]
            setattr(point, plural, ctrl[order].tolist())
        assert equal(codec.decode_plan(serialize_message(message), "spc").knots, ctrl[None])


JOINTS = CODECS["cart_pole"].joint_names


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (JOINTS[:1], f"missing: {JOINTS[1]}"),
        ((), f"missing: {', '.join(sorted(JOINTS))}"),
        ((*JOINTS, "elbow"), "unknown: elbow"),
        ((JOINTS[0], "elbow"), f"missing: {JOINTS[1]}; unknown: elbow"),
        ((*JOINTS, JOINTS[0]), f"twice: {JOINTS[0]}"),
        ((JOINTS[0], JOINTS[0]), f"missing: {JOINTS[1]}; twice: {JOINTS[0]}"),
    ],
)
def test_names_that_do_not_match_are_listed(names: tuple[str, ...], complaint: str) -> None:
    codec = CODECS["cart_pole"]
    data = cdr.encode_joint_state(NS, "", names, [0.0] * len(names), [0.0] * len(names))
    for decode in (codec.decode_measurement, codec.decode_estimate):
        with pytest.raises(InvalidSignal) as refusal:
            decode(data)
        assert refusal.value.reason == "names"
        assert f"({complaint}). Expected: {', '.join(JOINTS)}" in str(refusal.value)


@pytest.mark.parametrize("name", ["x" * 50_000, "a\nb", "a\x1b[2Jb"])
def test_a_refusal_stays_one_short_line_whatever_the_names(name: str) -> None:
    codec = CODECS["cart_pole"]
    for data in (
        cdr.encode_joint_state(NS, "", (*JOINTS, name), [0.0] * 3),
        cdr.encode_joint_state(NS, f"epoch {name}", JOINTS, [0.0] * 2),
    ):
        with pytest.raises(InvalidSignal) as refusal:
            codec.decode_measurement(data)
        assert str(refusal.value).isprintable()
        assert len(str(refusal.value)) < 600


def test_a_hundred_thousand_names_are_refused_without_counting_each() -> None:
    names = tuple(f"n{i % 999}" for i in range(100_000))
    with pytest.raises(InvalidSignal, match="names do not match"):
        CODECS["cart_pole"].decode_measurement(cdr.encode_joint_state(NS, "", names))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_sizes_that_do_not_match_are_refused(count: int) -> None:
    codec = CODECS["cart_pole"]
    wrong = [0.0] * count
    for decode, data in (
        (codec.decode_measurement, cdr.encode_joint_state(NS, "", JOINTS, wrong)),
        (codec.decode_estimate, cdr.encode_joint_state(NS, "", JOINTS, [0.0, 0.0], wrong)),
        (codec.decode_estimate, cdr.encode_joint_state(NS, "", JOINTS, wrong, [0.0, 0.0])),
    ):
        with pytest.raises(InvalidSignal, match=f"{count} values of (position|velocity) for 2 names") as refusal:
            decode(data)
        assert refusal.value.reason == "size"


def test_a_command_in_the_wrong_field_is_refused() -> None:
    codec = CODECS["cart_pole"]
    data = cdr.encode_joint_state(NS, "", codec.actuator_names, position=[0.0])
    with pytest.raises(InvalidSignal, match="0 values of effort for 1 names"):
        codec.decode_command(data)


@pytest.mark.parametrize("stamp", [0, -1, -NS, -(2**31) * NS])
def test_stamps_that_are_not_positive_are_refused(stamp: int) -> None:
    codec = CODECS["cart_pole"]
    state = cdr.encode_joint_state(stamp, "", JOINTS, [0.0, 0.0], [0.0, 0.0])
    command = cdr.encode_joint_state(stamp, "", codec.actuator_names, effort=[0.0])
    plan = codec.encode_plan(Plan(stamp, stamp, PERIOD, np.zeros((2, 1))))
    for decode, data in (
        (codec.decode_measurement, state),
        (codec.decode_estimate, state),
        (codec.decode_command, command),
        (lambda data: codec.decode_plan(data, "spc"), plan),
    ):
        with pytest.raises(InvalidSignal, match="is not positive") as refusal:
            decode(data)
        assert refusal.value.reason == "stamp"


@pytest.mark.parametrize("word", ["epoch x", "epoch -1", "epoch 1.5", "coasted epoch one", "epoch " + "9" * 5000])
def test_an_epoch_that_is_no_number_is_refused(word: str) -> None:
    with pytest.raises(InvalidSignal, match="epoch is no number") as refusal:
        CODECS["cart_pole"].decode_measurement(cdr.encode_joint_state(NS, word, JOINTS, [0.0, 0.0]))
    assert refusal.value.reason == "stamp"


@pytest.mark.parametrize("frame", ["", "world", "base_link of the robot"])
def test_frames_of_other_robots_are_understood(frame: str) -> None:
    codec = CODECS["cart_pole"]
    assert codec.decode_measurement(cdr.encode_joint_state(NS, frame, JOINTS, [0.0, 0.0])).epoch == 0
    estimate = codec.decode_estimate(cdr.encode_joint_state(NS, frame, JOINTS, [0.0, 0.0], [0.0, 0.0]))
    assert (estimate.health, estimate.coasted) == (Health.OK, False)


def plan_message(times: list[int], field: str = "effort") -> bytes:
    codec = CODECS["cart_pole"]
    message = trajectory(codec.encode_plan(Plan(NS, NS, PERIOD, np.zeros((len(times), 1)), Interpolation.LINEAR)))
    for point, time in zip(message.points, times, strict=True):
        point.time_from_start.sec, point.time_from_start.nanosec = divmod(time, NS)
        values = list(point.effort)
        point.effort = []
        setattr(point, field, values)
    return serialize_message(message)


@pytest.mark.parametrize("times", [[0, 10, 30], [0, 0, 0], [20, 10, 0], [0, 10, 20, 29 * NS], [0, -10, 10]])
def test_points_that_are_not_equally_spaced_are_refused(times: list[int]) -> None:
    with pytest.raises(InvalidSignal, match="equally spaced") as refusal:
        CODECS["cart_pole"].decode_plan(plan_message(times), "spc")
    assert refusal.value.reason == "stamp"


def test_points_may_be_rounded_to_a_nanosecond() -> None:
    assert len(CODECS["cart_pole"].decode_plan(plan_message([0, 333, 667, 1000]), "spc").knots) == 4


@pytest.mark.parametrize("field", ["positions", "velocities", "accelerations"])
def test_a_plan_in_another_field_than_the_actuators_take_is_refused(field: str) -> None:
    with pytest.raises(InvalidSignal, match="the actuators take effort"):
        CODECS["cart_pole"].decode_plan(plan_message([0, 10], field), "spc")


def test_a_plan_without_interpolation_word_is_linear() -> None:
    codec = CODECS["cart_pole"]
    message = trajectory(codec.encode_plan(Plan(NS, NS, PERIOD, np.zeros((3, 1)), Interpolation.LINEAR)))
    message.header.frame_id = "world"
    assert codec.decode_plan(serialize_message(message), "spc").interpolation is Interpolation.LINEAR


@pytest.mark.parametrize("robot", ROBOTS)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(0, 4),
    stamp=st.integers(1, 2**63 - 1),
    period=st.integers(1, NS),
    kind=st.sampled_from(Interpolation),
    epoch=EPOCH,
)
@settings(max_examples=40, deadline=None)
def test_samples(robot: str, seed: int, count: int, stamp: int, period: int, kind: Interpolation, epoch: int) -> None:
    codec = CODECS[robot]
    knots = np.random.default_rng(seed).standard_normal((count, 3, len(codec.actuator_names)))
    sent = Samples(stamp, period, knots, kind, epoch)
    found = codec.decode_samples(codec.encode_samples(sent))
    for name in ("stamp_ns", "start_ns", "period_ns", "interpolation", "epoch"):
        assert getattr(found, name) == getattr(sent, name)
    assert found.knots.shape == knots.shape
    assert equal(found.knots, knots)


ACTUATOR = f"actuator {CODECS['cart_pole'].actuator_names[0]}"


@pytest.mark.parametrize(
    ("labels", "shape", "complaint"),
    [
        (("sample stamp 5", "knot period 5", "actuator elbow"), (1, 2, 1), "Expected: sample, knot, actuator"),
        (("sample stamp 5", "knot period 5", ACTUATOR), (1, 2, 2), "Expected: sample, knot, actuator"),
        (("sample stamp 5", "knot period 5"), (1, 2), "Expected: sample, knot, actuator"),
        (("sample stamp 5", "knot period 5", ACTUATOR), (1, 0, 1), "Expected: sample, knot, actuator"),
        (("sample", "knot period 5", ACTUATOR), (1, 2, 1), "not positive"),
        (("sample stamp x", "knot period 5", ACTUATOR), (1, 2, 1), "stamp is no number"),
        (("sample stamp 5", "knot period -1", ACTUATOR), (1, 2, 1), "period is no number"),
        (("sample stamp 5", f"knot period {2**63}", ACTUATOR), (1, 2, 1), "period is no number"),
        (("sample stamp 5 epoch x", "knot period 5", ACTUATOR), (1, 2, 1), "epoch is no number"),
    ],
)
def test_samples_that_are_labelled_otherwise_are_refused(
    labels: tuple[str, ...], shape: tuple[int, ...], complaint: str
) -> None:
    with pytest.raises(InvalidSignal, match=complaint):
        CODECS["cart_pole"].decode_samples(cdr_plans.encode_multi_array(labels, np.zeros(shape)))
