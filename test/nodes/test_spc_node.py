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
from gpc_ros.nodes.codec import Codec
from gpc_ros.nodes.spc import Spc
from gpc_ros.signals import Estimate, Plan
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
        peer.hear("spc/plan")

    @property
    def plans(self) -> list[Plan]:
        return [self.codec.decode_plan(data, "spc") for data in self.peer.heard["spc/plan"]]

    def state(self, stamp_ns: int, *, epoch: int = 0, shift: float = 0.0) -> Estimate:
        start = self.task.start(self.task.named_start)
        return Estimate(stamp_ns, start.qpos + shift, start.qvel, epoch=epoch)

    def estimate(self, estimate: Estimate) -> None:
        self.peer.say("state_estimate", self.codec.encode_estimate(estimate))

    def plan(self, stamp_ns: int) -> Plan:
        """The first plan from ``stamp_ns``."""
        what = f"the plan from {stamp_ns}"
        return self.peer.until(lambda: next((p for p in self.plans if p.stamp_ns == stamp_ns), None), what)

    def want(self, *names: str) -> None:
        self.peer.say("controller/wanted", String(data=",".join(names)))
        self.peer.until(lambda: self.node.shell._wanted is ("spc" in names), "the wish to arrive")

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


def test_it_rests_while_nobody_wants_its_plans(steps: Desk) -> None:
    steps.want("policy")
    steps.estimate(steps.state(NS))
    assert steps.node.shell.figures()["state"] == "idle: not wanted"
    steps.peer.spin()
    steps.want("policy", "spc")
    steps.estimate(steps.state(NS + EVERY))
    steps.plan(NS + EVERY)
    assert [plan.stamp_ns for plan in steps.plans] == [NS + EVERY]


def test_a_planner_of_a_similar_name_is_another_one(steps: Desk) -> None:
    steps.want("seeded_spc")
    assert steps.node.shell.figures()["state"] == "idle: not wanted"


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
    particle.peer.until(lambda: particle.node.shell._has_goal, "the goal to arrive")
    particle.estimate(particle.state(NS + EVERY))
    found = particle.plan(NS + EVERY)
    parameters = config.load("particle", "spc", type(particle.node.shell.value), **SMALL)
    planner = core.Spc(registry.load("tasks", "particle", Task)(), particle.node.shell.value)
    planner.set_goal(np.array([0.1, -0.2]))
    assert parameters.samples == SMALL["samples"]
    assert found.knots.tobytes() == planner.plan(particle.state(NS + EVERY)).knots.tobytes()


def test_a_goal_that_is_not_finite_is_refused_and_the_old_one_stays(particle: Desk) -> None:
    particle.goal(0.1, -0.2)
    particle.peer.until(lambda: particle.node.shell._has_goal, "the goal to arrive")
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
    thread = node.shell._thread
    assert thread.is_alive()
    node.shell.close()
    thread.join(20.0)
    assert not thread.is_alive()
