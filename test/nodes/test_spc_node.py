"""The planner's node: plans when wanted and due, the same again when asked again, an empty one when there is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("geometry_msgs.msg", reason="needs the ROS package geometry_msgs")
from geometry_msgs.msg import PoseStamped
from rig import Peer, Rig
from std_msgs.msg import String

from gpc_ros import config, registry
from gpc_ros.control import spc as core
from gpc_ros.control.lead import Lead
from gpc_ros.nodes.codec import Codec
from gpc_ros.nodes.spc import Spc
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Command, Estimate, Plan, Samples
from gpc_ros.tasks.base import Task

pytestmark = pytest.mark.ros
NS = 1_000_000_000
PERIOD = 2_000_000
EVERY = 20_000_000  # [ns] between replans at 50 Hz
SMALL = {"samples": 8}


class Desk:
    """The planner and a peer that plays estimator and controller."""

    def __init__(self, node: Rig, peer: Peer) -> None:
        self.node, self.peer = node, peer
        self.task: Task = node.shell.task
        self.codec = Codec(self.task.model)
        for name in ("spc", "seeded_spc"):
            peer.hear(f"{name}/plan")
        self.want("spc")

    @property
    def plans(self) -> list[Plan]:
        return [self.codec.decode_plan(data, "spc") for data in self.peer.heard["spc/plan"]]

    @property
    def seeded(self) -> list[Plan]:
        return [self.codec.decode_plan(data, "seeded_spc") for data in self.peer.heard["seeded_spc/plan"]]

    def state(self, stamp_ns: int, *, epoch: int = 0, shift: float = 0.0) -> Estimate:
        start = self.task.start(self.task.named_start)
        return Estimate(stamp_ns, start.qpos + shift, start.qvel, epoch=epoch)

    def estimate(self, estimate: Estimate) -> None:
        self.peer.say("state_estimate", self.codec.encode_estimate(estimate))

    def plan(self, stamp_ns: int) -> Plan:
        """The first plan from ``stamp_ns``."""
        what = f"the plan from {stamp_ns}"
        return self.peer.until(lambda: next((p for p in self.plans if p.stamp_ns == stamp_ns), None), what)

    def seeded_plan(self, stamp_ns: int) -> Plan:
        """As ``plan``, of ``seeded_spc``."""
        what = f"the seeded plan from {stamp_ns}"
        return self.peer.until(lambda: next((p for p in self.seeded if p.stamp_ns == stamp_ns), None), what)

    def want(self, *names: str) -> None:
        self.peer.say("controller/wanted", String(data=",".join(names)))
        self.peer.until(lambda: self.node.shell.wanted == names, "the wish to arrive")

    def goal(self, x: float, y: float) -> None:
        message = PoseStamped()
        message.pose.position.x, message.pose.position.y = x, y
        self.peer.say("goal_pose", message)


@pytest.fixture
def steps(start: Callable[..., Rig], peer: Peer) -> Desk:
    return Desk(start(Spc, lockstep="true", **SMALL), peer)


@pytest.fixture
def particle(start: Callable[..., Rig], peer: Peer) -> Desk:
    return Desk(start(Spc, robot="particle", lockstep="true", **SMALL), peer)


def test_plans_come_at_due_ticks_alone(steps: Desk) -> None:
    for tick in range(21):
        steps.estimate(steps.state(NS + tick * PERIOD))
        if tick % 10 == 0:
            steps.plan(NS + tick * PERIOD)
        steps.peer.spin(1)
    assert [plan.stamp_ns for plan in steps.plans] == [NS, NS + EVERY, NS + 2 * EVERY]


def test_its_plans_are_those_of_the_planner_itself(steps: Desk) -> None:
    planner = core.Spc(steps.task, steps.node.shell.value)
    previous = None
    for number in range(3):
        state = steps.state(NS + number * EVERY, shift=0.01 * number)
        steps.estimate(state)
        found = steps.plan(state.stamp_ns)
        previous = planner.plan(state, previous)
        assert found.knots.tobytes() == previous.knots.tobytes()
        assert (found.start_ns, found.period_ns, found.interpolation) == (
            previous.start_ns,
            previous.period_ns,
            previous.interpolation,
        )


def test_asked_again_it_gives_the_same_plan_without_thinking_again(steps: Desk) -> None:
    for _ in range(3):
        steps.estimate(steps.state(NS))
    steps.peer.until(lambda: len(steps.plans) == 3, "three answers")
    assert len({plan.knots.tobytes() for plan in steps.plans}) == 1
    assert steps.node.shell.time_used.count == 1


def test_a_new_epoch_at_the_same_stamp_is_another_question(steps: Desk) -> None:
    steps.estimate(steps.state(NS))
    steps.plan(NS)
    steps.estimate(steps.state(NS, epoch=1))
    steps.peer.until(lambda: steps.plans[-1].epoch == 1, "the plan of the new epoch")
    assert steps.node.shell.time_used.count == 2


def test_figures_of_a_search_are_told_while_it_goes_on_and_no_longer(steps: Desk) -> None:
    steps.estimate(steps.state(NS))
    steps.plan(NS)
    assert steps.node.shell.figures().keys() >= {"effective_samples", "seeds", "replan_ms p50"}
    steps.want("policy")
    times = {f"replan_ms {key}" for key in ("p50", "p99", "max")}
    assert steps.node.shell.figures().keys() == {"state", "replans", *times}


@pytest.mark.parametrize("driver", ["policy", "spc", "hold", "stop", "none"])
def test_it_plans_from_where_whoever_drives_will_have_brought_the_robot(
    start: Callable[..., Rig], peer: Peer, driver: str
) -> None:
    desk = Desk(start(Spc, **SMALL), peer)
    shell, state, lead_ns = desk.node.shell, desk.state(NS), 10 * PERIOD

    def constant(planner: str, value: float) -> Plan:
        return Plan(NS, NS, 111_111_111, np.full((10, 1), value), Interpolation.LINEAR, planner)

    own = constant("spc", 0.9)
    shell._previous.add(own)
    shell._usual_ns = lead_ns
    peer.say("policy/plan", desk.codec.encode_plan(constant("policy", -0.5)))
    peer.until(lambda: shell._heard["policy"], "the policy's plan")
    peer.say("command", desk.codec.encode_command(Command(NS, np.array([0.2]))))
    peer.until(lambda: (command := shell._drive.command()) and command.ctrl[0] == 0.2, "the command")
    lead = Lead(desk.task, PERIOD)
    assert shell._ahead(state, own).qpos.tolist() == lead.ahead(state, own, lead_ns).qpos.tolist()  # nobody has said
    peer.say("controller/active", String(data=driver))
    peer.until(lambda: shell._drive.driver == driver, "who drives")
    value = {"policy": -0.5, "spc": 0.9, "hold": 0.2, "stop": 0.2}.get(driver)
    expected = state if value is None else lead.ahead(state, constant("", value), lead_ns)
    assert shell._ahead(state, own).stamp_ns == expected.stamp_ns
    assert shell._ahead(state, own).qpos.tolist() == expected.qpos.tolist()


def test_it_rests_while_nobody_wants_its_plans(steps: Desk) -> None:
    steps.want("policy")
    steps.estimate(steps.state(NS))
    assert steps.node.shell.figures()["state"] == "idle: not wanted"
    steps.peer.spin()
    steps.want("policy", "spc")
    steps.estimate(steps.state(NS + EVERY))
    steps.plan(NS + EVERY)
    assert [plan.stamp_ns for plan in steps.plans] == [NS + EVERY]


@pytest.mark.parametrize("value", [np.nan, 1e300])
def test_without_a_finite_plan_it_says_so_with_an_empty_one(steps: Desk, value: float) -> None:
    state = steps.state(NS)
    steps.estimate(Estimate(NS, state.qpos, np.full_like(state.qvel, value)))
    plan = steps.plan(NS)
    assert len(plan.knots) == 0
    assert plan.at(NS) is None
    assert steps.node.shell.counts["no finite plan"] == 1
    steps.estimate(steps.state(NS + EVERY))  # and goes on
    assert len(steps.plan(NS + EVERY).knots) > 0


def test_with_a_goal_to_reach_it_waits_for_the_goal(particle: Desk) -> None:
    particle.estimate(particle.state(NS))
    particle.peer.spin()
    assert particle.plans == []
    particle.goal(0.1, -0.2)
    particle.peer.until(lambda: particle.node.shell.has_goal, "the goal to arrive")
    particle.estimate(particle.state(NS + EVERY))
    found = particle.plan(NS + EVERY)
    parameters = config.load("particle", "spc", type(particle.node.shell.value), **SMALL)
    planner = core.Spc(registry.load("tasks", "particle", Task)(), particle.node.shell.value)
    planner.set_goal(np.array([0.1, -0.2]))
    assert parameters.samples == SMALL["samples"]
    assert found.knots.tobytes() == planner.plan(particle.state(NS + EVERY)).knots.tobytes()


def test_a_goal_that_is_not_finite_is_refused_and_the_old_one_stays(particle: Desk) -> None:
    particle.goal(0.1, -0.2)
    particle.peer.until(lambda: particle.node.shell.has_goal, "the goal to arrive")
    particle.goal(np.nan, 0.0)
    particle.peer.until(lambda: particle.node.shell.counts["goal_pose: nonfinite"] > 0, "the refusal")
    assert particle.node.shell.planner._goal.tolist() == [0.1, -0.2]


def test_bad_bytes_do_not_end_it(steps: Desk) -> None:
    steps.peer.say("state_estimate", b"rubbish")
    steps.peer.until(lambda: steps.node.shell.counts["state_estimate: encoding"] == 1, "the refusal")
    steps.estimate(steps.state(NS))
    steps.plan(NS)


def test_in_real_time_it_plans_in_a_thread_that_bad_bytes_do_not_end(start: Callable[..., Rig], peer: Peer) -> None:
    desk = Desk(start(Spc, **SMALL), peer)

    def refused() -> bool:
        peer.say("state_estimate", b"rubbish")
        return desk.node.shell.counts["state_estimate: encoding"] > 0

    peer.until(refused, "the refusal")

    def planned() -> bool:
        desk.estimate(desk.state(NS))
        return bool(desk.plans)

    peer.until(planned, "a plan")
    assert desk.plans[0].stamp_ns == NS
    assert len(desk.plans[0].knots) > 0


def test_the_planners_thread_ends_with_the_node(start: Callable[..., Rig]) -> None:
    node = start(Spc, **SMALL)
    thread = node.shell._thread._thread
    assert thread.is_alive()
    node.shell.close()
    thread.join(20.0)
    assert not thread.is_alive()


def seed_set(stamp_ns: int, value: float = 0.3, *, count: int = 2, epoch: int = 0) -> Samples:
    """Samples of the policy: constant plans of ``value``."""
    return Samples(stamp_ns, 111_111_111, np.full((count, 10, 1), value), Interpolation.LINEAR, epoch)


def give(desk: Desk, samples: Samples) -> None:
    desk.peer.say("policy/samples", desk.codec.encode_samples(samples))


def test_in_lock_step_seeded_it_waits_for_the_samples_of_the_tick(steps: Desk) -> None:
    steps.want("seeded_spc")
    state = steps.state(NS)
    give(steps, seed_set(NS - EVERY))
    steps.peer.until(lambda: steps.node.shell.seeds._samples is not None, "the samples to arrive")
    steps.estimate(state)
    steps.peer.until(lambda: steps.node.shell._held is not None, "the estimate to arrive")
    steps.peer.spin()
    assert steps.plans == steps.seeded == []
    samples = seed_set(NS)
    give(steps, samples)
    found = steps.seeded_plan(NS)
    expected = core.Spc(steps.task, steps.node.shell.value).plan(state, None, samples.knots)
    assert found.knots.tobytes() == expected.knots.tobytes()
    assert steps.node.shell.figures()["seeds"] == 2
    steps.estimate(state)
    steps.peer.until(lambda: len(steps.seeded) == 2, "the same answer")
    assert steps.node.shell.time_used.count == 1


def test_in_lock_step_samples_that_are_there_first_are_waited_for_no_more(steps: Desk) -> None:
    steps.want("seeded_spc")
    give(steps, seed_set(NS))
    steps.peer.until(lambda: steps.node.shell.seeds._samples is not None, "the samples to arrive")
    steps.estimate(steps.state(NS))
    assert len(steps.seeded_plan(NS).knots) == 10


def test_an_empty_set_of_samples_leaves_plain_spc(steps: Desk) -> None:
    steps.want("seeded_spc")
    give(steps, Samples(NS, 1, np.empty((0, 1, 1))))
    steps.estimate(steps.state(NS))
    plain = core.Spc(steps.task, steps.node.shell.value).plan(steps.state(NS))
    assert steps.seeded_plan(NS).knots.tobytes() == plain.knots.tobytes()


@pytest.mark.parametrize(
    ("samples", "reason", "used"),
    [
        ((NS - 2 * EVERY, 0), "", 2),
        ((NS - 2 * EVERY - PERIOD, 0), "stale", 0),
        ((NS, 1), "other epoch", 0),
        (None, "none yet", 0),
    ],
)
def test_in_real_time_it_uses_fresh_samples_and_does_not_wait(
    start: Callable[..., Rig], peer: Peer, samples: tuple[int, int] | None, reason: str, used: int
) -> None:
    desk = Desk(start(Spc, lead="false", **SMALL), peer)
    desk.want("seeded_spc")
    if samples is not None:
        give(desk, seed_set(samples[0], epoch=samples[1]))
        peer.until(lambda: desk.node.shell.seeds._samples is not None, "the samples to arrive")

    def planned() -> bool:
        desk.estimate(desk.state(NS))
        return bool(desk.seeded)

    peer.until(planned, "a plan")
    shell = desk.node.shell
    assert shell.seeds.used == used
    assert {name for name in shell.counts if "samples" in name} == ({f"policy/samples: {reason}"} if reason else set())


def test_rubbish_on_the_samples_is_refused(steps: Desk) -> None:
    steps.peer.say("policy/samples", b"rubbish")
    steps.peer.until(lambda: steps.node.shell.counts["policy/samples: encoding"] == 1, "the refusal")


def test_it_begins_with_the_plan_in_force_of_another_planner(steps: Desk) -> None:
    steps.want("policy")
    knots = np.linspace(-0.5, 0.5, 10)[:, np.newaxis]
    other = Plan(NS - PERIOD, NS - PERIOD, 111_111_111, knots, Interpolation.LINEAR, "policy")
    steps.peer.say("policy/plan", steps.codec.encode_plan(other))
    steps.peer.until(lambda: steps.node.shell._heard["policy"], "the other's plan to arrive")
    steps.want("policy", "spc")
    steps.estimate(steps.state(NS))
    expected = core.Spc(steps.task, steps.node.shell.value).plan(steps.state(NS), other)
    assert steps.plan(NS).knots.tobytes() == expected.knots.tobytes()


def test_both_of_its_planners_can_be_wanted(steps: Desk) -> None:
    steps.want("spc", "seeded_spc")
    give(steps, seed_set(NS))
    steps.estimate(steps.state(NS))
    assert len(steps.plan(NS).knots) == len(steps.seeded_plan(NS).knots) == 10
