"""The wire format: the same bytes mean the same to us and to rclpy, and no bytes do harm."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpc_ros.errors import InvalidSignal
from gpc_ros.nodes.cdr import JointState, JointStateDecoder, encode_joint_state

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
messages = pytest.importorskip("sensor_msgs.msg", reason="needs the ROS package sensor_msgs")
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402 - after the skip

NS = 1_000_000_000
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)
STAMP = st.integers(-(2**31) * NS, 2**31 * NS - 1)
VALUES = st.lists(st.floats(width=64), max_size=5)
NAMES = st.lists(TEXT, max_size=5).map(tuple)


def message(stamp_ns: int, frame_id: str, names: tuple[str, ...], *values: list[float]) -> object:
    state = messages.JointState(name=list(names))
    state.header.stamp.sec, state.header.stamp.nanosec = divmod(stamp_ns, NS)
    state.header.frame_id = frame_id
    state.position, state.velocity, state.effort = values
    return state


def same(state: JointState, stamp_ns: int, frame_id: str, names: tuple[str, ...], *values: list[float]) -> bool:
    found = (state.position, state.velocity, state.effort)
    equal = (a.tobytes() == np.array(b, dtype=float).tobytes() for a, b in zip(found, values, strict=True))
    return (state.stamp_ns, state.frame_id, state.names) == (stamp_ns, frame_id, names) and all(equal)


@given(STAMP, TEXT, NAMES, st.tuples(VALUES, VALUES, VALUES))
@settings(max_examples=200, deadline=None)
def test_rclpy_reads_what_is_encoded(stamp: int, frame: str, names: tuple[str, ...], values: tuple) -> None:
    data = encode_joint_state(stamp, frame, names, *values)
    found = deserialize_message(data, messages.JointState)
    assert found.header.stamp.sec * NS + found.header.stamp.nanosec == stamp
    assert (found.header.frame_id, tuple(found.name)) == (frame, names)
    for got, sent in zip((found.position, found.velocity, found.effort), values, strict=True):
        assert np.array(got, dtype=float).tobytes() == np.array(sent, dtype=float).tobytes()


@given(st.lists(st.tuples(STAMP, TEXT, NAMES, VALUES, VALUES, VALUES), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_what_rclpy_writes_is_decoded(contents: list[tuple]) -> None:
    """One decoder for all, each message twice: what it has learnt of one must not spoil the next."""
    decoder = JointStateDecoder()
    for content in contents:
        data = serialize_message(message(*content))
        assert same(decoder.decode(data), *content)
        assert same(decoder.decode(data), *content)
        assert same(decoder.decode(encode_joint_state(*content)), *content)


def test_a_message_of_the_same_shape_takes_the_short_way_with_its_own_values() -> None:
    decoder = JointStateDecoder()
    for tick in range(1, 5):
        content = (tick * NS + 7, "epoch 1", ("a", "bc"), [tick * 1.0, 2.0], [3.0, -tick * 1.0], [])
        assert same(decoder.decode(encode_joint_state(*content)), *content)


@pytest.mark.parametrize("garbage", [0x00, 0xFF])
def test_padding_is_not_read(garbage: int) -> None:
    """Bytes between the fields are whatever the sender's memory held."""
    content = (NS, "abcd", ("x",), [1.5], [], [2.5])
    data = bytearray(encode_joint_state(*content))
    padding = [i for i in range(len(data)) if not _is_read(data, i)]
    assert padding  # this content does have some
    for i in padding:
        data[i] = garbage
    decoder = JointStateDecoder()
    for _ in range(2):
        assert same(decoder.decode(bytes(data)), *content)


def _is_read(data: bytearray, index: int) -> bool:
    """Whether rclpy makes something else of the message when the byte at ``index`` changes."""
    changed = bytearray(data)
    changed[index] ^= 0x55
    try:
        return deserialize_message(bytes(changed), messages.JointState) != deserialize_message(
            bytes(data), messages.JointState
        )
    except Exception:
        return True


@pytest.mark.parametrize("spare", [1, 3, 4, 8])
def test_spare_bytes_at_the_end_are_left_alone(spare: int) -> None:
    content = (NS, "", ("x", "y"), [1.0, 2.0], [], [])
    decoder = JointStateDecoder()
    for _ in range(2):
        assert same(decoder.decode(encode_joint_state(*content) + b"\xaa" * spare), *content)


def test_every_shortened_message_is_refused() -> None:
    data = encode_joint_state(NS, "world", ("x", "y"), [1.0, 2.0], [3.0], [4.0, 5.0])
    decoder = JointStateDecoder()
    for length in range(len(data)):
        with pytest.raises(InvalidSignal):
            decoder.decode(data[:length])
    for length in range(len(data)):  # and when a whole one is known
        decoder.decode(data)
        with pytest.raises(InvalidSignal):
            decoder.decode(data[:length])


@pytest.mark.parametrize("head", [b"\0\0", b"\0\3", b"\0\2", b"\0\7", b"\x99\x99"])
@pytest.mark.parametrize("known", [False, True])
def test_other_encodings_are_refused_by_their_name(head: bytes, known: bool) -> None:
    data = encode_joint_state(NS, "", ("x",), [1.0])
    decoder = JointStateDecoder()
    if known:
        decoder.decode(data)
    with pytest.raises(InvalidSignal, match=f"little-endian.*{head.hex()}") as refusal:
        decoder.decode(head + data[2:])
    assert refusal.value.reason == "encoding"


@pytest.mark.parametrize("known", [False, True])
def test_a_stamp_with_more_than_a_second_of_nanoseconds_is_refused(known: bool) -> None:
    data = encode_joint_state(NS, "", ("x",), [1.0])
    decoder = JointStateDecoder()
    if known:
        decoder.decode(data)
    with pytest.raises(InvalidSignal, match="nanoseconds") as refusal:
        decoder.decode(data[:8] + struct.pack("<I", NS) + data[12:])
    assert refusal.value.reason == "stamp"


@pytest.mark.parametrize("count", [100_001, 2**31, 2**32 - 1])
def test_a_message_that_says_to_be_huge_is_refused_unread(count: int) -> None:
    whole = encode_joint_state(NS, "", ("x",), [1.0])
    for offset in (12, 20):  # length of the frame, number of names
        data = whole[:offset] + struct.pack("<I", count) + whole[offset + 4 :]
        with pytest.raises(InvalidSignal, match=f"{count} items") as refusal:
            JointStateDecoder().decode(data)
        assert refusal.value.reason == "size"


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
    assert "\n" not in refusal_of(JointStateDecoder().decode, data)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
@settings(max_examples=500, deadline=None)
def test_damaged_bytes_raise_nothing_else(index: int, damage: bytes) -> None:
    decoder = JointStateDecoder()
    whole = encode_joint_state(NS, "epoch 3", ("x", "y"), [1.0, 2.0], [3.0, 4.0])
    decoder.decode(whole)
    index %= len(whole)
    data = whole[:index] + damage + whole[index + len(damage) :]
    assert "\n" not in refusal_of(decoder.decode, data)
