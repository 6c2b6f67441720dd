"""The wire format of plans and samples: the same bytes mean the same to us and to rclpy, and no bytes do harm."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpc_ros.errors import InvalidSignal
from gpc_ros.nodes.cdr_plans import (
    FIELDS,
    JointTrajectory,
    JointTrajectoryDecoder,
    decode_multi_array,
    encode_joint_trajectory,
    encode_multi_array,
)

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
trajectories = pytest.importorskip("trajectory_msgs.msg", reason="needs the ROS package trajectory_msgs")
arrays = pytest.importorskip("std_msgs.msg", reason="needs the ROS package std_msgs")
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402 - after the skip

NS = 1_000_000_000
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)
STAMP = st.integers(-(2**31) * NS, 2**31 * NS - 1)


def joint_trajectory(field: str, rows: list[list[float]], names: tuple[str, ...] = ("x", "y")) -> object:
    plan = trajectories.JointTrajectory(joint_names=list(names))
    plan.header.stamp.sec, plan.header.stamp.nanosec, plan.header.frame_id = 5, 7, "epoch 2 linear"
    for index, row in enumerate(rows):
        point = trajectories.JointTrajectoryPoint(**{field: row})
        point.time_from_start.sec, point.time_from_start.nanosec = index, 250
        plan.points.append(point)
    return plan


MESSAGE_FIELDS = dict(zip(("positions", "velocities", "accelerations", "effort"), FIELDS, strict=True))
CONTENT = st.integers(1, 4).flatmap(
    lambda n: st.tuples(
        st.lists(TEXT, min_size=n, max_size=n),
        st.lists(st.lists(st.floats(width=64), min_size=n, max_size=n), max_size=6),
    )
)


@given(st.sampled_from(sorted(MESSAGE_FIELDS)), CONTENT)
@settings(max_examples=200, deadline=None)
def test_trajectories_of_rclpy_are_decoded(field: str, content: tuple[list[str], list[list[float]]]) -> None:
    names, rows = content
    found = JointTrajectoryDecoder().decode(serialize_message(joint_trajectory(field, rows, tuple(names))))
    assert (found.stamp_ns, found.frame_id, found.names) == (5 * NS + 7, "epoch 2 linear", tuple(names))
    assert found.field == (MESSAGE_FIELDS[field] if rows else "")
    assert found.values.shape == (len(rows), len(names))
    assert found.values.tobytes() == np.array(rows, dtype=float).tobytes()
    assert found.times_ns.tolist() == [index * NS + 250 for index in range(len(rows))]


@given(st.sampled_from(FIELDS), CONTENT, STAMP, st.lists(st.integers(-NS, 2**31 * NS - 1), min_size=6, max_size=6))
@settings(max_examples=200, deadline=None)
def test_rclpy_reads_the_trajectories_that_are_encoded(
    field: str, content: tuple[list[str], list[list[float]]], stamp: int, times: list[int]
) -> None:
    names, rows = content
    values, times_ns = np.array(rows, dtype=float).reshape(len(rows), len(names)), np.array(times[: len(rows)])
    sent = JointTrajectory(stamp, "epoch 2", tuple(names), field, values, times_ns)
    found = deserialize_message(encode_joint_trajectory(sent), trajectories.JointTrajectory)
    assert found.header.stamp.sec * NS + found.header.stamp.nanosec == stamp
    assert (found.header.frame_id, found.joint_names) == ("epoch 2", names)
    name = next(key for key, value in MESSAGE_FIELDS.items() if value == field)
    assert np.array([getattr(point, name) for point in found.points]).tobytes() == values.tobytes()
    after = [point.time_from_start for point in found.points]
    assert [time.sec * NS + time.nanosec for time in after] == times_ns.tolist()


@given(st.lists(st.tuples(st.sampled_from(FIELDS), CONTENT), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_what_was_learnt_of_one_trajectory_does_not_spoil_the_next(contents: list[tuple]) -> None:
    decoder = JointTrajectoryDecoder()
    for field, (names, rows) in contents:
        values = np.array(rows, dtype=float).reshape(len(rows), len(names))
        data = encode_joint_trajectory(JointTrajectory(7, "", tuple(names), field, values, np.arange(len(rows))))
        for _ in range(2):
            found = decoder.decode(data)
            assert (found.names, found.field) == (tuple(names), field if rows else "")
            assert found.values.tobytes() == values.tobytes()
            assert found.times_ns.tolist() == list(range(len(rows)))


def test_sizes_that_change_within_a_message_of_the_same_length_are_seen() -> None:
    """Two points of one field and two of another have the same length and head."""
    decoder = JointTrajectoryDecoder()
    for field in ("effort", "positions", "effort"):
        found = decoder.decode(serialize_message(joint_trajectory(field, [[1.0, 2.0], [3.0, 4.0]])))
        assert found.field == MESSAGE_FIELDS[field]
        assert found.values.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize("known", [False, True])
def test_points_with_a_second_of_nanoseconds_are_refused(known: bool) -> None:
    data = serialize_message(joint_trajectory("effort", [[1.0, 2.0]] * 2))
    decoder = JointTrajectoryDecoder()
    if known:
        decoder.decode(data)
    with pytest.raises(InvalidSignal, match="nanoseconds"):
        decoder.decode(data.replace(struct.pack("<iI", 1, 250), struct.pack("<iI", 1, NS)))


def test_points_that_differ_in_their_field_are_refused() -> None:
    plan = joint_trajectory("effort", [[1.0, 2.0]])
    plan.points += joint_trajectory("positions", [[1.0, 2.0]]).points
    with pytest.raises(InvalidSignal, match=r"different fields: \['effort', 'position'\]"):
        JointTrajectoryDecoder().decode(serialize_message(plan))


@pytest.mark.parametrize("row", [[], [1.0], [1.0, 2.0, 3.0]])
def test_points_of_another_width_are_refused(row: list[float]) -> None:
    with pytest.raises(InvalidSignal, match="one field for 2 names"):
        JointTrajectoryDecoder().decode(serialize_message(joint_trajectory("effort", [row])))


def test_points_with_two_fields_are_refused() -> None:
    plan = joint_trajectory("effort", [[1.0, 2.0]])
    plan.points[0].positions = [0.0, 0.0]
    with pytest.raises(InvalidSignal, match="'position', 'effort'"):
        JointTrajectoryDecoder().decode(serialize_message(plan))


def test_more_points_than_any_plan_has_are_refused_and_not_cut_off() -> None:
    data = serialize_message(joint_trajectory("effort", []))
    with pytest.raises(InvalidSignal, match="100001 items"):
        JointTrajectoryDecoder().decode(data[:-4] + struct.pack("<I", 100_001))


def test_every_shortened_trajectory_is_refused() -> None:
    data = serialize_message(joint_trajectory("effort", [[1.0, 2.0]] * 2))
    end = data.rindex(struct.pack("<iI", 1, 250)) + 8  # behind it rclpy leaves spare bytes
    for length in range(end):
        with pytest.raises(InvalidSignal, match=r"shorter than it says|not little-endian"):
            JointTrajectoryDecoder().decode(data[:length])
    assert JointTrajectoryDecoder().decode(data[:end]).values.tolist() == [[1.0, 2.0]] * 2


@given(
    st.integers(0, 4).flatmap(
        lambda n: st.tuples(st.lists(TEXT, min_size=n, max_size=n), st.lists(st.integers(0, 4), min_size=n, max_size=n))
    ),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=200, deadline=None)
def test_arrays_mean_the_same_to_rclpy(content: tuple[list[str], list[int]], seed: int) -> None:
    labels, shape = content
    values = np.random.default_rng(seed).standard_normal(shape)
    data = encode_multi_array(labels, values)
    found = deserialize_message(data, arrays.Float64MultiArray)
    assert [(dim.label, dim.size) for dim in found.layout.dim] == list(zip(labels, shape, strict=True))
    strides = [dim.stride for dim in found.layout.dim]
    assert strides == [int(np.prod(shape[axis:])) for axis in range(len(shape))]
    assert np.array(found.data).tobytes() == values.tobytes()
    for whole in (data, serialize_message(found)):
        names, got = decode_multi_array(whole)
        assert (names, got.shape) == (labels, values.shape)
        assert got.tobytes() == values.tobytes()


@pytest.mark.parametrize(("sizes", "count", "offset"), [([2, 3], 5, 0), ([2, 3], 0, 0), ([], 0, 0), ([2], 2, 1)])
def test_an_array_whose_axes_do_not_fit_its_values_is_refused(sizes: list[int], count: int, offset: int) -> None:
    message = arrays.Float64MultiArray(data=[0.0] * count)
    message.layout.dim = [arrays.MultiArrayDimension(label="x", size=size) for size in sizes]
    message.layout.data_offset = offset
    with pytest.raises(InvalidSignal, match="do not fill axes"):
        decode_multi_array(serialize_message(message))


def refusal_of(decode: Callable[[bytes], object], data: bytes) -> str:
    try:
        decode(data)
    except InvalidSignal as refusal:
        return str(refusal)
    return ""


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=500, deadline=None)
def test_random_bytes_raise_nothing_else(data: bytes, headed: bool) -> None:
    data = b"\0\1\0\0" + data if headed else data
    for decode in (JointTrajectoryDecoder().decode, decode_multi_array):
        assert "\n" not in refusal_of(decode, data)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=4), st.booleans())
@settings(max_examples=500, deadline=None)
def test_damaged_bytes_raise_nothing_else(index: int, damage: bytes, array: bool) -> None:
    decoder = JointTrajectoryDecoder()
    whole = serialize_message(joint_trajectory("effort", [[1.0, 2.0]] * 3))
    decoder.decode(whole)
    if array:
        whole = encode_multi_array(("sample", "knot", "actuator"), np.zeros((3, 2, 1)))
    index %= len(whole)
    data = whole[:index] + damage + whole[index + len(damage) :]
    assert "\n" not in refusal_of(decode_multi_array if array else decoder.decode, data)
