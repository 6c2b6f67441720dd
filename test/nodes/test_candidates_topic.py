"""Candidates on the wire: what goes in comes out, and nothing is sent to nobody."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
from rig import Peer, Rig
from std_msgs.msg import String

from gpc_ros import registry
from gpc_ros.errors import InvalidSignal
from gpc_ros.nodes import cdr_plans
from gpc_ros.nodes.codec import Codec
from gpc_ros.nodes.spc import Spc
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Estimate, Samples
from gpc_ros.tasks.base import Task

NS = 1_000_000_000
CODECS = {name: Codec(registry.load("tasks", name, Task)().model) for name in ("cart_pole", "particle")}


@pytest.mark.parametrize("robot", CODECS)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(0, 4),
    stamp=st.integers(1, 2**63 - 1),
    period=st.integers(1, NS),
    kind=st.sampled_from(Interpolation),
    epoch=st.integers(0, 2**60),
)
@settings(max_examples=20, deadline=None)
def test_candidates(
    robot: str, seed: int, count: int, stamp: int, period: int, kind: Interpolation, epoch: int
) -> None:
    codec, rng = CODECS[robot], np.random.default_rng(seed)
    knots, costs = rng.standard_normal((count, 3, len(codec.actuator_names))), rng.random(count)
    sent = Samples(stamp, period, knots, kind, epoch)
    found, found_costs = codec.decode_candidates(codec.encode_candidates(sent, costs))
    for name in ("stamp_ns", "start_ns", "period_ns", "interpolation", "epoch"):
        assert getattr(found, name) == getattr(sent, name)
    np.testing.assert_array_equal(found.knots, knots)
    np.testing.assert_array_equal(found_costs, costs)


LABELS = ("candidate stamp 5", "cost and knots period 5 linear")


@pytest.mark.parametrize(
    ("labels", "shape", "complaint"),
    [
        (LABELS, (3, 4), "no rows of a cost and knots of 2"),
        (LABELS, (3, 1), "no rows of a cost"),
        (LABELS[:1], (3,), "no rows of a cost"),
        (("candidate", LABELS[1]), (3, 5), "not positive"),
        (("candidate stamp x", LABELS[1]), (3, 5), "stamp is no number"),
    ],
)
def test_other_arrays_are_refused(labels: tuple[str, ...], shape: tuple[int, ...], complaint: str) -> None:
    with pytest.raises(InvalidSignal, match=complaint):
        CODECS["particle"].decode_candidates(cdr_plans.encode_multi_array(labels, np.zeros(shape)))


@pytest.mark.ros
def test_they_are_sent_only_to_somebody_and_once(start: Callable[..., Rig], peer: Peer) -> None:
    node = start(Spc, samples=8, lockstep="true")
    task, codec = node.shell.task, node.codec
    asked: list[int] = []
    find = node.shell.planner.candidates

    def note(count: int) -> object:
        asked.append(count)
        return find(count)

    node.shell.planner.candidates = note
    peer.say("controller/wanted", String(data="spc"))
    peer.until(lambda: node.shell.wanted == ("spc",), "the wish to arrive")
    peer.hear("spc/plan")
    home = task.start(task.named_start)
    peer.say("state_estimate", codec.encode_estimate(Estimate(NS, home.qpos, home.qvel)))
    peer.until(lambda: peer.heard["spc/plan"], "a plan")
    assert not asked
    peer.hear("spc/candidates")
    peer.until(lambda: len(asked) > 2, "several looks")
    (data,) = peer.heard["spc/candidates"]
    samples, costs = codec.decode_candidates(data)
    assert (samples.stamp_ns, samples.knots.shape) == (NS, (8, 10, 1))
    assert np.isfinite(costs).all()
