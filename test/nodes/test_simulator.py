"""The simulator's node: it asks until it is answered, steps on answers alone, refuses what is none."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("std_srvs.srv", reason="needs the ROS package std_srvs")
from domains import new_domain
from rig import Peer, Rig
from std_srvs.srv import SetBool, Trigger

from gpc_ros import actuators, registry
from gpc_ros.nodes import cdr, ownership
from gpc_ros.nodes.simulator import Simulator
from gpc_ros.signals import Command, Measurement
from gpc_ros.tasks.base import Task

pytestmark = pytest.mark.ros
NS = 1_000_000_000
PERIOD = 2_000_000
ACTUATORS = actuators.names(registry.load("tasks", "cart_pole", Task)().model)


class Ring:
    """The simulator and a peer that answers its questions."""

    def __init__(self, node: Rig, peer: Peer) -> None:
        self.node, self.peer = node, peer
        self.codec = node.codec
        peer.hear("joint_states")

    @property
    def questions(self) -> list[Measurement]:
        return [self.codec.decode_measurement(data) for data in self.peer.heard["joint_states"]]

    def ask(self) -> Measurement:
        """The newest question, once there is one."""
        self.peer.until(lambda: self.peer.heard["joint_states"], "a measurement")
        return self.questions[-1]

    def answer(self, stamp_ns: int, *, value: float = 0.0, epoch: int = 0, peer: Peer | None = None) -> None:
        """A command of the first epoch, or of one ``epoch`` later."""
        command = Command(stamp_ns, np.array([value]), epoch=self.questions[0].epoch + epoch)
        (peer or self.peer).say("command", self.codec.encode_command(command))

    def until_stamp(self, stamp_ns: int) -> Measurement:
        self.peer.until(lambda: self.questions and self.questions[-1].stamp_ns >= stamp_ns, f"stamp {stamp_ns}")
        return self.questions[-1]

    def until_counted(self, reason: str, number: int = 1) -> None:
        self.peer.until(lambda: self.node.shell.counts[reason] >= number, f"{number} of '{reason}'")


@pytest.fixture
def ring(start: Callable[..., Rig], peer: Peer) -> Ring:
    return Ring(start(Simulator, lockstep="true"), peer)


def test_it_asks_again_with_the_same_words_until_it_is_answered(ring: Ring) -> None:
    ring.peer.until(lambda: len(ring.peer.heard["joint_states"]) >= 3, "the question again")
    assert len(set(map(bytes, ring.peer.heard["joint_states"]))) == 1
    assert ring.questions[0].stamp_ns == NS  # simulated time begins at 1 s: zero means 'no stamp'
    assert ring.node.shell.pacing.ticks == 0


def test_it_steps_by_one_period_for_one_answer(ring: Ring) -> None:
    first = ring.ask()
    for tick in range(5):
        ring.answer(first.stamp_ns + tick * PERIOD)
        assert ring.until_stamp(first.stamp_ns + (tick + 1) * PERIOD).stamp_ns == first.stamp_ns + (tick + 1) * PERIOD
    ring.peer.until(lambda: len(ring.questions) >= 8, "the last question again")
    assert ring.questions[-1].stamp_ns == first.stamp_ns + 5 * PERIOD
    assert ring.node.shell.pacing.ticks == 5


def test_an_answer_given_twice_steps_once(ring: Ring) -> None:
    first = ring.ask()
    for _ in range(5):
        ring.answer(first.stamp_ns)
    ring.answer(first.stamp_ns + PERIOD)
    assert ring.until_stamp(first.stamp_ns + 2 * PERIOD).stamp_ns == first.stamp_ns + 2 * PERIOD
    assert ring.node.shell.pacing.ticks == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stamp_ns": NS + PERIOD}, "command: future stamp"),
        ({"epoch": 1}, "command: unknown epoch"),
        ({"value": np.nan}, "command: nonfinite"),
        ({"value": np.inf}, "command: nonfinite"),
        ({"stamp_ns": 0}, "command: stamp"),
    ],
)
def test_what_is_no_answer_is_refused_and_counted(ring: Ring, changes: dict[str, Any], reason: str) -> None:
    first = ring.ask()
    ring.answer(**{"stamp_ns": first.stamp_ns, **changes})
    ring.until_counted(reason)
    assert ring.node.shell.pacing.ticks == 0
    ring.answer(first.stamp_ns)  # and the right one still counts
    ring.until_stamp(first.stamp_ns + PERIOD)
    assert ring.node.loop.counts == {}


def test_an_older_stamp_is_refused(ring: Ring) -> None:
    first = ring.ask()
    ring.answer(first.stamp_ns)
    ring.until_stamp(first.stamp_ns + PERIOD)
    ring.answer(first.stamp_ns - PERIOD)
    ring.until_counted("command: old stamp")
    assert ring.node.shell.pacing.ticks == 1


@pytest.mark.parametrize(
    ("names", "values", "reason"),
    [
        (("elbow",), [0.0], "names"),
        ((), [], "names"),
        (ACTUATORS, [0.0, 0.0], "size"),
        (ACTUATORS, [], "size"),
    ],
)
def test_commands_of_wrong_names_or_sizes_are_named(
    ring: Ring, names: tuple[str, ...], values: list[float], reason: str
) -> None:
    first = ring.ask()
    ring.peer.say("command", cdr.encode_joint_state(first.stamp_ns, f"epoch {first.epoch}", names, effort=values))
    ring.until_counted(f"command: {reason}")
    assert ("warn", "command refused") in [(level, text[:15]) for level, text in ring.node.said]
    ring.answer(first.stamp_ns)
    ring.until_stamp(first.stamp_ns + PERIOD)


def test_garbage_bytes_are_refused_and_the_node_lives_on(ring: Ring) -> None:
    first = ring.ask()
    for data in (b"", b"\0\1\0\0", b"\0\0\0\0" + bytes(40), bytes(100)):
        ring.peer.say("command", data)
    ring.answer(first.stamp_ns)
    ring.until_stamp(first.stamp_ns + PERIOD)
    assert ring.node.shell.counts["command: encoding"] == 3
    assert ring.node.loop.counts == {}


def test_a_second_publisher_is_ignored_and_named(ring: Ring, domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "_SILENCE_S", np.inf)  # the first may take its time
    first = ring.ask()
    ring.answer(first.stamp_ns, value=0.3)
    ring.until_stamp(first.stamp_ns + PERIOD)
    intruder = Peer(domain, "intruder")
    try:
        ring.answer(first.stamp_ns + PERIOD, value=-1.0, peer=intruder)
        ring.until_counted("command: second publisher")
        assert ring.node.shell.pacing.ticks == 1
        ring.peer.until(lambda: any("/peer was first" in text for _, text in ring.node.said), "the log")
        ring.answer(first.stamp_ns + PERIOD, value=0.3)
        ring.until_stamp(first.stamp_ns + 2 * PERIOD)
    finally:
        intruder.close()


def test_the_next_publisher_is_taken_when_the_first_falls_silent(
    ring: Ring, domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ring.ask()
    ring.answer(first.stamp_ns)
    ring.until_stamp(first.stamp_ns + PERIOD)
    monkeypatch.setattr(ownership, "_SILENCE_S", -1.0)
    other = Peer(domain, "other")
    try:
        ring.answer(first.stamp_ns + PERIOD, peer=other)
        ring.until_stamp(first.stamp_ns + 2 * PERIOD)
    finally:
        other.close()


def test_the_next_publisher_is_taken_once_the_first_has_left(
    start: Callable[..., Rig], peer: Peer, domain: int
) -> None:
    ring = Ring(start(Simulator, lockstep="true"), peer)
    first = ring.ask()
    before = Peer(domain, "before")
    ring.answer(first.stamp_ns, peer=before)
    ring.until_stamp(first.stamp_ns + PERIOD)
    before.close()

    def answered() -> bool:
        ring.answer(first.stamp_ns + PERIOD)
        return ring.node.shell.pacing.ticks == 2

    peer.until(answered, "the second publisher to be taken")


def test_questions_asked_and_answered_again_count_once(ring: Ring) -> None:
    stamp = ring.ask().stamp_ns
    for tick in range(3):
        heard = len(ring.questions)
        ring.peer.until(lambda heard=heard: len(ring.questions) > heard, "the question again")
        for _ in range(3):
            ring.answer(stamp + tick * PERIOD)
        ring.until_stamp(stamp + (tick + 1) * PERIOD)
    ring.answer(stamp + 3 * PERIOD)
    ring.until_stamp(stamp + 4 * PERIOD)
    pacing = ring.node.shell.pacing
    assert (pacing.ticks, pacing.answered, pacing.latency.count) == (4, 3, 3)  # the first only begins the run


def test_reset_begins_an_epoch_that_old_commands_do_not_enter(ring: Ring) -> None:
    first = ring.ask()
    ring.answer(first.stamp_ns)
    ring.until_stamp(first.stamp_ns + PERIOD)
    response = ring.peer.call(Trigger, "simulator/reset", Trigger.Request())
    assert response.success
    ring.peer.until(lambda: ring.questions[-1].epoch == first.epoch + 1, "the new epoch")
    now = ring.questions[-1].stamp_ns
    assert now >= first.stamp_ns + PERIOD  # time never goes back
    ring.answer(now, epoch=0)
    ring.until_counted("command: old epoch")
    ticks = ring.node.shell.pacing.ticks
    ring.answer(now, epoch=1)
    ring.until_stamp(now + PERIOD)
    assert ring.node.shell.pacing.ticks == ticks + 1


def test_pause_and_single_steps(ring: Ring) -> None:
    peer, first = ring.peer, ring.ask()
    refused = peer.call(Trigger, "simulator/step", Trigger.Request())
    assert (refused.success, refused.message) == (False, "not paused")
    assert peer.call(SetBool, "simulator/pause", SetBool.Request(data=True)).message == "paused"
    for _ in range(3):
        ring.answer(first.stamp_ns)
    heard = len(peer.heard["joint_states"])
    peer.until(lambda: len(peer.heard["joint_states"]) > heard + 1, "the question again")
    assert ring.node.shell.pacing.ticks == 0
    assert peer.call(Trigger, "simulator/step", Trigger.Request()).success
    ring.answer(first.stamp_ns)
    ring.until_stamp(first.stamp_ns + PERIOD)
    ring.answer(first.stamp_ns + PERIOD)
    heard = len(peer.heard["joint_states"])
    peer.until(lambda: len(peer.heard["joint_states"]) > heard + 1, "the question again")
    assert ring.node.shell.pacing.ticks == 1
    assert peer.call(SetBool, "simulator/pause", SetBool.Request(data=False)).message == "running"
    ring.answer(first.stamp_ns + PERIOD)
    ring.until_stamp(first.stamp_ns + 2 * PERIOD)


def test_a_run_has_the_ticks_that_were_asked_for_and_as_many_answers(start: Callable[..., Rig], peer: Peer) -> None:
    ring = Ring(start(Simulator, lockstep="true", duration_s=0.02), peer)
    stamp = ring.ask().stamp_ns
    while not ring.node.shell.finished.is_set():
        ring.answer(stamp)
        peer.until(
            lambda stamp=stamp: ring.questions[-1].stamp_ns > stamp or ring.node.shell.finished.is_set(), "a step"
        )
        stamp += PERIOD
    summary = ring.node.shell.summary()
    assert summary["ticks"] == 10
    assert summary["answered"] <= 10
    assert summary["deadline_misses"] <= 1  # the answer that begins the run is not counted
    assert len(summary["digest"]) == 64


def test_the_same_seed_and_commands_give_the_same_run_another_seed_another(start: Callable[..., Rig]) -> None:
    digests = []
    for seed in (1, 1, 2):
        domain = new_domain()
        node, peer = Rig(Simulator, domain, lockstep="true", duration_s=0.01, seed=seed), Peer(domain)
        ring = Ring(node, peer)
        stamp = ring.ask().stamp_ns
        for tick in range(5):
            ring.answer(stamp + tick * PERIOD, value=0.1 * tick)
            ring.until_stamp(stamp + (tick + 1) * PERIOD)
        digests.append(node.shell.summary()["digest"])
        peer.close()
        node.close()
    assert digests[0] == digests[1] != digests[2]


def test_real_time_stands_still_until_the_first_answer_and_then_steps_alone(
    start: Callable[..., Rig], peer: Peer
) -> None:
    ring = Ring(start(Simulator, rate_hz=100.0, physics_step_s=0.01), peer)
    ring.peer.until(lambda: len(ring.peer.heard["joint_states"]) >= 3, "the question again")
    first = ring.questions[0]
    assert {question.stamp_ns for question in ring.questions} == {first.stamp_ns}
    assert abs(first.stamp_ns - time.time_ns()) < 60 * NS  # stamps are ROS time
    ring.answer(ring.questions[-1].stamp_ns)
    peer.until(lambda: ring.node.shell.pacing.ticks >= 3, "steps without commands")
    stamps = sorted({question.stamp_ns for question in ring.questions})
    assert all((b - a) % 10_000_000 == 0 for a, b in itertools.pairwise(stamps))


def test_a_lost_measurement_does_not_stop_the_lock_step(start: Callable[..., Rig], peer: Peer) -> None:
    name = "faults.drop"
    ring = Ring(start(Simulator, lockstep="true", **{name: 0.5}), peer)
    stamp = 0
    for _ in range(10):
        peer.until(lambda stamp=stamp: ring.questions and ring.questions[-1].stamp_ns > stamp, "the next measurement")
        stamp = ring.questions[-1].stamp_ns
        ring.answer(stamp)
    peer.until(lambda: ring.questions[-1].stamp_ns > stamp, "the next measurement")
    assert ring.node.shell.pacing.ticks > 10  # those lost were stepped over
    assert ring.questions[-1].stamp_ns - NS == ring.node.shell.pacing.ticks * PERIOD
