"""Rates, latencies, losses and misses from what was sent when; what is old is forgotten; what is wrong is named."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from gpc_ros.monitoring.budget import Budget
from gpc_ros.monitoring.pipeline import Pipeline
from gpc_ros.monitoring.recent import Tally, Times
from gpc_ros.monitoring.stream import Stream

NS = 1_000_000_000
MS = 1_000_000
PERIOD = 2 * MS
TOPICS = ("command", "spc/plan", "state_estimate", "joint_states")
STAGES = {"joint_states": 0.0, "state_estimate": 0.4, "command": 0.9}  # [ms] when each is sent, after the stamp
SENT_BEFORE = 1_700_000_000 * NS  # the publishers' clock is not the steady one


class Stack:
    """A made-up stack at 500 Hz, told to a pipeline in batches of ten, answers before what they answer."""

    def __init__(self, *, lockstep: bool = False) -> None:
        self.pipeline = Pipeline(TOPICS, rate_hz=500.0, lockstep=lockstep, window_s=3, begin_ns=0)
        self.pipeline.journey.drives("spc")
        self.now_ns = 0
        self.tick = 0
        self.step_ns = PERIOD
        self.numbers = dict.fromkeys(TOPICS, 0)

    def second(
        self, *, ticks: int = 500, drop: Iterable[str] = (), late_ms: float = 0.0, unheard: Iterable[str] = ()
    ) -> None:
        """One second: ``drop`` are not sent, ``unheard`` are lost on the way, commands come ``late_ms`` later."""
        for first in range(0, ticks, 10):
            batch: list[tuple[str, int, float]] = []
            for _ in range(min(10, ticks - first)):
                self.tick += 1
                stamp_ns = self.tick * self.step_ns
                batch += [(topic, stamp_ns, ms + late_ms * (topic == "command")) for topic, ms in STAGES.items()]
                if self.tick % 10 == 0:
                    batch.append(("spc/plan", stamp_ns, 7.0))
            for topic in TOPICS:
                for name, stamp_ns, ms in batch:
                    if name == topic and topic not in drop:
                        self.numbers[topic] += 1
                        if topic not in unheard:
                            sent_ns = SENT_BEFORE + stamp_ns + round(ms * MS)
                            self.pipeline.add(topic, stamp_ns, sent_ns, self.numbers[topic], topic.encode())
            self.pipeline.journey.settle()
        self.now_ns += NS

    def figures(self) -> dict[str, object]:
        return self.pipeline.figures(self.now_ns)

    def troubles(self) -> list[str]:
        return self.pipeline.troubles(self.now_ns)

    def roll(self) -> None:
        self.pipeline.roll(self.now_ns)


@pytest.fixture
def stack() -> Stack:
    return Stack()


def test_a_stack_in_order(stack: Stack) -> None:
    for _ in range(5):
        stack.second()
        found = stack.figures()
        assert stack.troubles() == []
        stack.roll()
    assert {topic: found[f"rate_hz {topic}"] for topic in TOPICS} == {
        topic: pytest.approx(50.0 if topic == "spc/plan" else 500.0) for topic in TOPICS
    }
    for leg, ms in (
        ("sensor_to_estimate", 0.4),
        ("estimate_to_command", 0.5),
        ("sensor_to_command", 0.9),
        ("estimate_to_plan", 6.6),
        ("command_period", 2.0),
        ("command_jitter", 0.0),
    ):
        for key in ("p50", "p99", "max"):
            assert found[f"{leg}_ms {key}"] == pytest.approx(ms)
    assert (found["deadline_misses"], found["lost"]) == (0, 0)
    assert 7.0 <= float(str(found["plan_age_ms p50"])) <= 27.0


def test_the_age_of_a_plan_is_that_of_the_newest_there_was_when_the_command_went_out(stack: Stack) -> None:
    stack.second()
    summary = stack.pipeline.journey.plan_age.summary()
    assert summary["max"] == 26.0  # made from tick 10, sent 7 ms later, replaced after tick 23's command


def test_what_is_old_is_forgotten(stack: Stack) -> None:
    stack.second(late_ms=5.0)
    assert stack.figures()["deadline_misses"] == 500
    assert stack.troubles() == ["100 % of the commands late"]
    stack.roll()
    for _ in range(3):
        stack.second()
        assert stack.figures()["sensor_to_command_ms max"] == pytest.approx(5.9)
        stack.roll()
    stack.second()
    found = stack.figures()
    assert found["sensor_to_command_ms max"] == pytest.approx(0.9)
    assert (found["deadline_misses"], found["window_s"]) == (0, 4.0)
    assert stack.troubles() == []


@pytest.mark.parametrize("topic", ["joint_states", "state_estimate", "command"])
def test_a_silent_topic_is_named(stack: Stack, topic: str) -> None:
    stack.second()
    stack.roll()
    stack.second(drop=[topic])
    assert stack.troubles()[0] == f"no {topic}"


def test_measurements_without_a_command_are_missed(stack: Stack) -> None:
    stack.second()
    stack.second(drop=["command"])
    stack.second()
    assert stack.figures()["deadline_misses"] == 500
    assert stack.figures()["deadline_misses_percent"] == pytest.approx(100 / 3, abs=0.1)


def test_what_was_lost_on_the_way_to_the_observer_is_not_held_against_the_stack(stack: Stack) -> None:
    stack.second()
    stack.second(unheard=["command"])
    stack.second()
    found = stack.figures()
    assert found["lost"] == 500
    assert found["deadline_misses"] == 0
    assert found["rate_hz command"] == pytest.approx(500.0)


def test_a_slow_loop_is_named_with_its_rate(stack: Stack) -> None:
    stack.step_ns = NS // 300
    stack.second(ticks=300)
    assert not any("Hz" in trouble for trouble in stack.troubles())  # it may just have begun
    stack.roll()
    stack.second(ticks=300)
    assert "command at 300 Hz, not 500" in stack.troubles()


def test_a_gap_lowers_the_rate_however_late_it_is_seen(stack: Stack) -> None:
    stack.second()
    stack.roll()
    stack.tick += 250  # half a second of silence
    stack.second(ticks=250)
    assert stack.figures()["rate_hz command"] == pytest.approx(250.0, rel=0.01)


def test_who_was_held_up_does_not_judge_others(stack: Stack) -> None:
    stack.second()
    stack.roll()
    stack.second(drop=["command"])
    stack.now_ns += 2 * NS
    assert stack.troubles() == ["the monitor itself was held up for 2.0 s"]


def test_in_lock_step_there_is_no_rate_and_no_deadline_to_keep() -> None:
    stack = Stack(lockstep=True)
    for _ in range(3):
        stack.second(ticks=50, late_ms=30.0)
        assert stack.troubles() == []
        stack.roll()


def test_old_plans_are_named(stack: Stack) -> None:
    for _ in range(2):
        stack.second()
        stack.roll()
    for _ in range(3):
        stack.second(drop=["spc/plan"])
        stack.roll()
    stack.second(drop=["spc/plan"])
    (trouble,) = stack.troubles()
    assert trouble.startswith("plans of spc are ")


def test_plans_of_others_do_not_count(stack: Stack) -> None:
    stack.second()
    for _ in range(4):
        stack.roll()
    stack.pipeline.journey.drives("policy")
    stack.second()
    assert not any(name.startswith(("plan_age", "estimate_to_plan")) for name in stack.figures())


def test_a_question_asked_again_and_its_same_answer_count_once() -> None:
    pipeline = Stack().pipeline
    for ask in range(20):
        sent_ns = SENT_BEFORE + ask * PERIOD
        pipeline.add("joint_states", PERIOD, sent_ns, None, b"a")
        if ask >= 10:
            pipeline.add("state_estimate", PERIOD, sent_ns + MS, None, b"b")
            pipeline.add("command", PERIOD, sent_ns + 2 * MS, None, b"c")
        pipeline.journey.settle()
    journey = pipeline.journey
    assert journey.sensor_to_command.summary() == {"p50": 2.0, "p99": 2.0, "max": 2.0}
    assert (journey.answered.total, journey.unanswered.total) == (1, 0)


def test_a_flood_of_stamps_is_not_kept() -> None:
    journey = Stack().pipeline.journey
    for tick in range(5000):
        for tell in (journey.measured, journey.estimated, journey.commanded):
            tell(tick, SENT_BEFORE + tick * MS)
        journey.settle()
    assert all(len(sent) <= 502 for sent in journey._tables())


@pytest.mark.parametrize("numbers", [[1, 2, 3], [None] * 3])
def test_nothing_is_lost_when_all_come(numbers: list[int | None]) -> None:
    stream = Stream(3)
    for index, number in enumerate(numbers):
        stream.add(index * PERIOD, number, b"a")
    assert stream.lost == 0
    assert stream.rate_hz == 500.0


def test_publishers_count_for_themselves() -> None:
    stream = Stream(3)
    for number, publisher in ((10, b"a"), (900, b"b"), (11, b"a"), (902, b"b"), (1, b"a")):  # b lost one, a restarted
        stream.add(number, number, publisher)
    assert stream.lost == 1
    for publisher in range(100):
        stream.add(0, 1, bytes([publisher]))
    assert stream.lost == 1
    assert len(stream._numbers) <= 8


def test_times_are_those_of_all_that_was_added_lately() -> None:
    values = np.random.default_rng(0).integers(0, 10 * MS, 1000)
    times = Times(2)
    times.add(99 * MS)
    for part in np.split(values, 4)[:2]:
        times.roll()
        for value in part.tolist():
            times.add(value)
    assert times.summary()["max"] == 99.0
    times.roll()
    for value in values[500:].tolist():
        times.add(value)
    found = times.summary()
    expected = np.sort(values) / 1e6
    assert found == {"p50": expected[500], "p99": expected[990], "max": expected[-1]}
    assert times.summary(nominal_ns=4 * MS)["max"] == pytest.approx(np.abs(expected - 4.0).max())
    assert Times(2).summary() == {}


def test_a_tally_is_that_of_all_that_was_counted_lately() -> None:
    tally = Tally(2)
    for number in (1, 10, 100, 1000):
        tally.add(number)
        tally.roll()
    assert tally.total == 1100


def test_a_job_keeps_to_its_share_and_an_easy_one_is_never_put_off() -> None:
    now_ns, used_ns = 0, 0

    def dear() -> None:
        nonlocal now_ns, used_ns
        now_ns, used_ns = now_ns + 7 * MS, used_ns + 5 * MS  # it was interrupted for the rest

    budget = Budget(0.1, clock=lambda: now_ns, used=lambda: used_ns)
    for _ in range(10_000):
        now_ns += MS
        budget.run(dear)
    assert used_ns / now_ns == pytest.approx(0.1, rel=0.05)
    easy = Budget(0.1, clock=lambda: now_ns, used=lambda: used_ns)
    done = []
    for _ in range(100):
        now_ns += MS
        easy.run(lambda: done.append(1))
    assert len(done) == 100
