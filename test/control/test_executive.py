"""The executive's state machine, by table, with a clock that only the test moves."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gpc_ros import actuators, registry
from gpc_ros.control.executive import STOP, Executive, ExecutiveParameters, Pace, plan_divisor
from gpc_ros.errors import UnknownName
from gpc_ros.signals import Estimate, Health, Plan
from gpc_ros.tasks.base import Task

PERIOD = 2_000_000
MS = 1_000_000


class Bench:
    """An executive, a steady clock and a stamp that move together."""

    def __init__(self, **parameters: object) -> None:
        task = registry.load("tasks", "cart_pole", Task)()
        self.executive = Executive(task, ExecutiveParameters(**parameters), period_ns=PERIOD)
        self.now = 10_000 * MS
        self.stamp = 1000 * PERIOD
        self.epoch = 0

    def tick(self, *, estimate: bool = True, health: Health = Health.OK) -> object:
        self.now += PERIOD
        self.stamp += PERIOD
        if estimate:
            self.executive.accept_estimate(self.estimate(health=health), self.now)
        return self.executive.select(self.now)

    def estimate(self, **changes: object) -> Estimate:
        values = {"stamp_ns": self.stamp, "qpos": np.zeros(2), "qvel": np.zeros(2), "epoch": self.epoch, **changes}
        return Estimate(**values)

    def plan(
        self, value: float = 0.5, *, planner: str = "spc", length: int = 10, period: int = 100 * MS, **changes: object
    ) -> bool:
        values = {
            "stamp_ns": self.stamp,
            "start_ns": self.stamp,
            "period_ns": period,
            "planner": planner,
            "epoch": self.epoch,
        }
        return self.executive.accept_plan(Plan(**{**values, "knots": np.full((length, 1), value), **changes}))


@pytest.fixture
def bench() -> Bench:
    return Bench(blend_time_s=0.0, plan_timeout_s=10.0)


def test_without_estimate_it_stops(bench: Bench) -> None:
    command = bench.executive.select(bench.now)
    assert command.source == STOP
    assert "no estimate yet" in command.reason


def test_without_plan_it_holds_and_says_why(bench: Bench) -> None:
    command = bench.tick()
    assert command.source == "hold"
    assert command.reason == "spc: no plan yet"


def test_plan_drives_and_the_command_keeps_the_stamp(bench: Bench) -> None:
    bench.tick()
    assert bench.plan(0.25)
    command = bench.tick()
    assert (command.source, command.reason, command.stamp_ns) == ("spc", "", bench.stamp)
    assert command.ctrl == pytest.approx([0.25])


def test_a_plan_that_ends_falls_to_hold_and_a_new_one_takes_over_after_recovery() -> None:
    bench = Bench(blend_time_s=0.0, recover_time_s=0.02)
    bench.tick()
    bench.plan(length=1, period=4 * MS)
    assert [bench.tick().source for _ in range(4)] == ["spc", "hold", "hold", "hold"]
    assert bench.tick().reason == "spc: plan has ended"
    bench.plan()
    sources = [bench.tick().source for _ in range(12)]
    assert sources == ["hold"] * sources.count("hold") + ["spc"] * sources.count("spc")
    assert sources.count("hold") == 10 - 1  # 0.02 s at 500 Hz, from the last failure on
    assert bench.executive.counts["fallbacks"] == 1


def test_an_old_plan_is_not_driven_on_to_its_end() -> None:
    bench = Bench(blend_time_s=0.0, plan_timeout_s=0.01)
    bench.tick()
    bench.plan()
    sources = [bench.tick().source for _ in range(8)]
    assert sources == ["spc"] * 5 + ["hold"] * 3


def test_fallback_planner_comes_before_hold() -> None:
    bench = Bench(blend_time_s=0.0, planner="hold", fallback="spc")
    bench.tick()
    bench.plan(0.3)
    assert bench.tick().source == "hold"
    bench = Bench(blend_time_s=0.0, planner="spc", fallback="hold")
    assert bench.tick().source == "hold"


@pytest.mark.parametrize(("silent_ticks", "source"), [(1, "spc"), (10, "spc"), (11, STOP), (100, STOP)])
def test_silence_of_the_estimator(bench: Bench, silent_ticks: int, source: str) -> None:
    """Up to 20 ms the plan goes on, open loop, at the right place; then stop: exactly at the tick."""
    bench.tick()
    bench.plan()
    bench.tick()
    for _ in range(silent_ticks):
        command = bench.tick(estimate=False)
    assert command.source == source
    assert command.stamp_ns == bench.stamp


@pytest.mark.parametrize(
    ("health", "source"), [(Health.DEGRADED, "spc"), (Health.STARTING, "hold"), (Health.UNHEALTHY, STOP)]
)
def test_health_of_the_estimate(bench: Bench, health: Health, source: str) -> None:
    bench.tick()
    bench.plan()
    assert bench.tick(health=health).source == source


def test_every_combination_of_failures_takes_the_first_able_rung() -> None:
    for plan, estimate_ok, healthy, stopped in itertools.product((True, False), repeat=4):
        bench = Bench(blend_time_s=0.0)
        bench.tick()
        if plan:
            bench.plan()
        bench.executive.stopped = stopped
        if not estimate_ok:
            for _ in range(20):
                bench.tick(estimate=False)
        command = bench.tick(estimate=estimate_ok, health=Health.OK if healthy else Health.UNHEALTHY)
        able = [
            name for name, fine in (("spc", plan), ("hold", True)) if fine and not stopped and estimate_ok and healthy
        ]
        assert command.source == (able or [STOP])[0]
        assert np.isfinite(command.ctrl).all()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"qpos": np.array([np.nan, 0.0])}, "estimate: nonfinite"),
        ({"qvel": np.array([0.0, np.inf])}, "estimate: nonfinite"),
        ({"stamp_ns": 1001 * PERIOD}, "estimate: duplicate"),
        ({"stamp_ns": 1000 * PERIOD}, "estimate: old stamp"),
        ({"epoch": -1}, "estimate: old epoch"),
    ],
)
def test_estimates_refused(bench: Bench, changes: dict[str, object], reason: str) -> None:
    bench.tick()
    assert not bench.executive.accept_estimate(bench.estimate(**changes), bench.now)
    assert bench.executive.counts == {reason: 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"knots": np.zeros((3, 2))}, "spc plan: size"),
        ({"knots": np.full((3, 1), np.nan)}, "spc plan: nonfinite"),
        ({"epoch": -1}, "spc plan: old epoch"),
        ({"stamp_ns": 1001 * PERIOD}, "spc plan: old stamp"),
    ],
)
def test_plans_refused_and_the_old_one_drives_on(bench: Bench, changes: dict[str, object], reason: str) -> None:
    bench.tick()
    bench.plan(0.4)
    assert not bench.plan(**changes)
    assert bench.executive.counts == {reason: 1}
    assert bench.tick().ctrl == pytest.approx([0.4])


def test_reset_of_the_plant_forgets_plans_of_the_old_epoch(bench: Bench) -> None:
    bench.tick()
    bench.plan()
    assert bench.tick().source == "spc"
    bench.epoch = 1
    assert bench.tick().source == "hold"
    bench.epoch = 0
    assert not bench.plan()
    bench.epoch = 1
    assert bench.plan()
    assert bench.tick().source == "spc"


def test_switch_happens_with_the_first_plan_of_the_new_planner() -> None:
    bench = Bench(planner="hold", blend_time_s=0.0)
    bench.tick()
    bench.executive.request("spc", bench.now)
    assert bench.executive.wanted == ["spc"]
    assert bench.tick().source == "hold"
    bench.plan(0.1)
    assert bench.tick().source == "spc"
    assert bench.executive.active == "spc"


def test_switch_without_plan_is_refused_and_the_old_planner_drives_on() -> None:
    bench = Bench(planner="hold", switch_timeout_s=0.1)
    bench.tick()
    bench.executive.request("spc", bench.now)
    sources = {bench.tick().source for _ in range(60)}
    assert sources == {"hold"}
    assert bench.executive.refusal == "no plan from 'spc' within 0.1 s; 'hold' drives on"
    assert bench.executive.active == "hold"


@pytest.mark.parametrize("field", ["planner", "fallback"])
def test_unknown_planner_names_the_valid_ones(field: str) -> None:
    with pytest.raises(UnknownName, match=r"unknown .*'spx'. Did you mean 'spc'.*Valid: .*hold"):
        Bench(**{field: "spx"})


def test_switching_back_and_forth_never_jumps_by_more_than_the_slew_rate() -> None:
    bench = Bench(slew_rate=5.0, blend_time_s=0.02)
    bench.tick()
    largest = 5.0 * PERIOD * 1e-9 * 2.0  # ctrlrange is 2 wide
    last = bench.tick().ctrl
    for number in range(200):
        bench.plan((-1) ** number * 1.0)
        bench.executive.request(("hold", "spc")[number % 2], bench.now)
        command = bench.tick()
        assert abs(command.ctrl - last) <= largest + 1e-12
        last = command.ctrl


def test_blending_starts_from_the_last_command() -> None:
    bench = Bench(blend_time_s=0.01)
    bench.executive.select(bench.now)
    bench.tick()
    bench.plan(1.0)
    values = [float(bench.tick().ctrl[0]) for _ in range(7)]
    assert values == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0], abs=1e-9)


def test_requested_stop_is_at_once_and_latched(bench: Bench) -> None:
    bench.tick()
    bench.plan(1.0)
    bench.tick()
    bench.executive.stopped = True
    command = bench.tick()
    assert (command.source, command.ctrl[0]) == (STOP, 0.0)
    bench.executive.stopped = False
    assert bench.tick().source == "spc"


def test_stopped_servos_stay_where_the_robot_is_put() -> None:
    """The first estimate and those of a new epoch say where; the named start and past commands do not."""
    crane = registry.load("tasks", "crane", Task)()
    executive = Executive(crane, ExecutiveParameters(), period_ns=PERIOD)
    executive.stopped = True
    rng = np.random.default_rng(0)
    for epoch in (0, 1):
        qpos = crane.reset(rng).qpos
        place = actuators.rest(crane.model, qpos)
        for tick in range(1, 4):
            estimate = Estimate(tick * PERIOD, qpos, np.zeros(crane.model.nv), epoch=epoch)
            executive.accept_estimate(estimate, tick * PERIOD)
            qpos = qpos + 0.01
            command = executive.select(tick * PERIOD)
            assert command.source == STOP
            np.testing.assert_array_equal(command.ctrl, place)


def test_lockstep_waits_for_the_plan_that_is_due() -> None:
    bench = Bench(plan_rate_hz=50.0)
    executive = bench.executive
    executive.accept_estimate(bench.estimate(stamp_ns=1000 * PERIOD), 0)
    assert executive.waiting()  # tick 1000 is on the planner's grid of 10
    bench.stamp = 1000 * PERIOD
    bench.plan()
    assert not executive.waiting()
    executive.accept_estimate(bench.estimate(stamp_ns=1009 * PERIOD), 0)
    assert not executive.waiting()
    executive.accept_estimate(bench.estimate(stamp_ns=1010 * PERIOD), 0)
    assert executive.waiting()


@pytest.mark.parametrize(("rate", "ticks"), [(0.0, {0, 1, 2, 3, 4, 5}), (250.0, {0, 2, 4}), (50.0, {0})])
def test_lockstep_waits_for_the_policy_at_its_own_rate(rate: float, ticks: set[int]) -> None:
    executive = Bench(planner="policy", plan_rate_hz=50.0, policy_rate_hz=rate).executive
    waited = set()
    for tick in range(6):
        executive.accept_estimate(Estimate((1000 + tick) * PERIOD, np.zeros(2), np.zeros(2)), 0)
        if executive.waiting():
            waited.add(tick)
        assert executive.due("spc") is (tick == 0)
    assert waited == ticks


@pytest.mark.parametrize(("rate", "divisor"), [(50.0, 10), (500.0, 1), (1000.0, 1), (33.0, 15), (0.0, 1)])
def test_plan_divisor(rate: float, divisor: int) -> None:
    assert plan_divisor(rate, PERIOD) == divisor


@pytest.mark.parametrize(("early_ms", "source"), [(0, "spc"), (12, "spc"), (50, "spc"), (60, "hold")])
def test_a_plan_that_is_ready_before_its_time_begins_at_once(bench: Bench, early_ms: int, source: str) -> None:
    bench.tick()
    bench.plan(0.3, start_ns=bench.stamp + PERIOD + early_ms * MS)
    assert bench.tick().source == source


def test_one_answer_without_a_plan_is_bridged_by_the_last_plan_and_more_are_not() -> None:
    bench = Bench(blend_time_s=0.0, plan_timeout_s=10.0, plan_grace_s=3 * PERIOD / 1e9)
    bench.plan(0.5)
    assert bench.tick().source == "spc"
    drivers = []
    for _ in range(5):
        bench.plan(knots=np.empty((0, 1)))
        drivers.append((command := bench.tick()).source)
    assert drivers == ["spc", "spc", "hold", "hold", "hold"]
    assert "spc: no plan any more" in command.reason


def test_an_answer_without_a_plan_between_plans_changes_nothing() -> None:
    bench = Bench(blend_time_s=0.0)
    drivers = set()
    for tick in range(50):
        bench.plan(**({"knots": np.empty((0, 1))} if tick % 5 == 3 else {}))
        drivers.add(bench.tick().source)
    assert drivers == {"spc"}
    assert not bench.executive.counts["fallbacks"]


@pytest.mark.parametrize("phase_ns", [0, 1, 50_000, PERIOD // 2, PERIOD - 50_000, PERIOD - 1])
@pytest.mark.parametrize(("rate", "every"), [(50.0, 10), (100.0, 5), (0.0, 1)])
def test_in_real_time_plans_are_due_evenly_whatever_phase_and_jitter_of_the_stamps(
    phase_ns: int, rate: float, every: int
) -> None:
    rng, pace = np.random.default_rng(1), Pace()
    stamps = [10**18 + phase_ns + tick * PERIOD + int(rng.integers(-100_000, 100_001)) for tick in range(2000)]
    due = [tick for tick, stamp_ns in enumerate(stamps) if pace.due(stamp_ns, rate, PERIOD)]
    assert due[0] == 0
    assert set(np.diff(due)) == {every}


def test_a_lost_stamp_delays_one_plan_and_one_that_comes_again_is_due_again() -> None:
    pace = Pace()
    stamps = [tick * PERIOD for tick in (500, 505, 511, 511, 515, 521, 400, 409, 410)]
    assert [pace.due(stamp_ns, 50.0, PERIOD) for stamp_ns in stamps] == [
        True, False, True, True, False, True, True, False, True,
    ]  # fmt: skip


def test_a_planner_that_comes_back_drives_by_a_plan_made_since_it_was_asked_for() -> None:
    bench = Bench(blend_time_s=0.0)
    bench.plan(0.3, planner="policy")
    for _ in range(20):
        bench.plan(0.5)
        bench.tick()
    bench.executive.request("policy", bench.now)
    assert bench.tick().source == "spc"
    bench.plan(0.3, planner="policy")
    assert bench.tick().source == "policy"
