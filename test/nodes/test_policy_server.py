"""The policy's node: a plan for every estimate while wanted, samples on demand, swapped and refused while it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import policies
import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("geometry_msgs.msg", reason="needs the ROS package geometry_msgs")
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rig import Peer, Rig
from std_msgs.msg import String

from gpc_ros.control import policy as core
from gpc_ros.errors import InvalidModel
from gpc_ros.nodes.codec import Codec
from gpc_ros.nodes.policy_server import PolicyServer
from gpc_ros.nodes.running import run
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Estimate, Plan, Samples
from gpc_ros.tasks.base import Task

pytestmark = pytest.mark.ros
NS = 1_000_000_000
PERIOD = 2_000_000
EVERY = 20_000_000  # [ns] between replans at 50 Hz


class Desk:
    """The policy server and a peer that plays estimator, controller and the other planners."""

    def __init__(self, node: Rig, peer: Peer) -> None:
        self.node, self.peer = node, peer
        self.task: Task = node.shell.task
        self.codec = Codec(self.task.model)
        for topic in ("policy/plan", "policy/samples"):
            peer.hear(topic)

    @property
    def plans(self) -> list[Plan]:
        return [self.codec.decode_plan(data, "policy") for data in self.peer.heard["policy/plan"]]

    @property
    def samples(self) -> list[Samples]:
        return [self.codec.decode_samples(data) for data in self.peer.heard["policy/samples"]]

    def state(self, stamp_ns: int, *, epoch: int = 0, shift: float = 0.0) -> Estimate:
        start = self.task.start(self.task.named_start)
        return Estimate(stamp_ns, start.qpos + shift, start.qvel, epoch=epoch)

    def estimate(self, estimate: Estimate) -> None:
        self.peer.say("state_estimate", self.codec.encode_estimate(estimate))

    def plan(self, estimate: Estimate) -> Plan:
        """The answer to ``estimate``."""
        self.estimate(estimate)
        return self.peer.until(
            lambda: next((plan for plan in self.plans if plan.stamp_ns == estimate.stamp_ns), None), "the plan"
        )

    def sample(self, estimate: Estimate) -> Samples:
        """The samples from ``estimate``."""
        self.estimate(estimate)
        return self.peer.until(
            lambda: next((found for found in self.samples if found.stamp_ns == estimate.stamp_ns), None), "samples"
        )

    def want(self, *names: str) -> None:
        self.peer.say("controller/wanted", String(data=",".join(names)))
        self.peer.until(lambda: self.node.shell.wanted == names, "the wish to arrive")

    def set(self, **values: Any) -> Any:
        """Set parameters as ``ros2 param set`` does; the result of the last."""
        messages = []
        for name, value in values.items():
            field, kind = ("string_value", ParameterType.PARAMETER_STRING)
            if isinstance(value, float):
                field, kind = ("double_value", ParameterType.PARAMETER_DOUBLE)
            messages.append(ParameterMessage(name=name, value=ParameterValue(type=kind, **{field: value})))
        request = SetParameters.Request(parameters=messages)
        return self.peer.call(SetParameters, "/policy_server/set_parameters", request).results[-1]


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """Plans are what they start from."""
    return policies.write(tmp_path / "identity.onnx")


@pytest.fixture
def offset(tmp_path: Path) -> Path:
    """Plans are half of what they start from, and a quarter."""
    return policies.write(tmp_path / "offset.onnx", keep=0.5, offset=0.25)


@pytest.fixture
def desk(start: Callable[..., Rig], peer: Peer, offset: Path) -> Desk:
    found = Desk(start(PolicyServer, lockstep="true", model_file=offset), peer)
    found.want("policy")
    return found


@pytest.fixture
def unshipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No robot comes with a policy."""
    monkeypatch.setattr(core, "shipped", lambda robot: tmp_path / "none.onnx")


def test_its_plans_are_those_of_the_planner_itself(desk: Desk) -> None:
    planner, previous = core.Policy(desk.task, desk.node.shell.value), None
    for tick in range(4):
        state = desk.state(NS + tick * PERIOD, shift=0.01 * tick)
        found, previous = desk.plan(state), planner.plan(state, previous)
        assert found.knots.tobytes() == previous.knots.tobytes()
        for name in ("stamp_ns", "start_ns", "period_ns", "interpolation"):
            assert getattr(found, name) == getattr(previous, name)


def test_asked_again_it_gives_the_same_plan_without_thinking_again(desk: Desk) -> None:
    for _ in range(3):
        desk.estimate(desk.state(NS))
    desk.peer.until(lambda: len(desk.plans) == 3, "three answers")
    assert len({plan.knots.tobytes() for plan in desk.plans}) == 1
    assert desk.node.shell.time_used.count == 1


def test_a_new_epoch_is_another_question_and_begins_anew(desk: Desk) -> None:
    desk.plan(desk.state(NS))
    desk.estimate(desk.state(NS, epoch=1))
    desk.peer.until(lambda: desk.plans[-1].epoch == 1, "the plan of the new epoch")
    assert desk.plans[-1].knots.tobytes() == desk.plans[0].knots.tobytes()


def test_it_plans_at_its_own_rate_if_it_has_one(start: Callable[..., Rig], peer: Peer, identity: Path) -> None:
    desk = Desk(start(PolicyServer, lockstep="true", model_file=identity, policy_rate_hz=100.0), peer)
    desk.want("policy")
    for tick in range(10):
        desk.estimate(desk.state(NS + tick * PERIOD))
        desk.peer.spin(1)
    desk.plan(desk.state(NS + 10 * PERIOD))
    assert [(plan.stamp_ns - NS) // PERIOD for plan in desk.plans] == [0, 5, 10]


def test_in_real_time_samples_come_evenly_though_a_drivers_stamps_are_on_no_grid(
    start: Callable[..., Rig], peer: Peer, identity: Path
) -> None:
    desk = Desk(start(PolicyServer, model_file=identity, seed_samples=1), peer)
    desk.want("seeded_spc")
    stamps = [NS + (tick + 3) * PERIOD + jitter for tick, jitter in ((0, 90), (5, 0), (10, -90), (15, 0), (20, 90))]

    def sampled(stamp_ns: int) -> bool:
        desk.estimate(desk.state(stamp_ns))
        peer.spin(1)
        return stamp_ns in {found.stamp_ns for found in desk.samples}

    for due, stamp_ns in zip((True, False, True, False, True), stamps, strict=True):
        if due:
            peer.until(lambda now=stamp_ns: sampled(now), "samples")
        else:
            assert not sampled(stamp_ns)
    assert desk.node.shell.samples_time.count == 3


def test_it_rests_while_nobody_wants_it(desk: Desk) -> None:
    desk.want("spc")
    assert desk.node.shell.figures()["state"] == "idle: not wanted"
    desk.estimate(desk.state(NS))
    desk.peer.spin()
    desk.want("spc", "policy")
    desk.plan(desk.state(NS + PERIOD))
    assert [plan.stamp_ns for plan in desk.plans] == [NS + PERIOD]
    assert desk.samples == []


def test_it_begins_with_the_plan_in_force_of_another_planner(
    start: Callable[..., Rig], peer: Peer, identity: Path
) -> None:
    desk = Desk(start(PolicyServer, model_file=identity), peer)
    knots = np.linspace(-0.5, 0.5, 10)[:, np.newaxis]
    desk.want("spc")
    desk.peer.say("spc/plan", desk.codec.encode_plan(Plan(NS, NS, 111_111_111, knots, Interpolation.LINEAR, "spc")))
    desk.peer.until(lambda: desk.node.shell._heard["spc"], "the other's plan to arrive")
    desk.want("spc", "policy")
    np.testing.assert_allclose(desk.plan(desk.state(NS + PERIOD)).knots[0], knots[0], atol=0.01)
    desk.want("policy")
    for tick in range(2, 5):  # and goes on from its own
        assert np.abs(desk.plan(desk.state(NS + tick * PERIOD)).knots[0] - knots[0]) < 0.05
    desk.want("spc")
    other = Plan(NS + 5 * PERIOD, NS + 5 * PERIOD, 111_111_111, knots[::-1], Interpolation.LINEAR, "spc")
    desk.peer.say("spc/plan", desk.codec.encode_plan(other))
    desk.peer.until(lambda: desk.node.shell._heard["spc"], "the other's next plan to arrive")
    desk.want("policy")  # what was left behind is not gone on from
    np.testing.assert_allclose(desk.plan(desk.state(NS + 6 * PERIOD)).knots[0], knots[-1], atol=0.01)


def test_rubbish_on_the_plan_of_another_planner_does_not_stop_it(desk: Desk) -> None:
    desk.peer.say("spc/plan", b"rubbish")
    desk.peer.until(lambda: desk.node.shell._heard["spc"], "the rubbish to arrive")
    assert len(desk.plan(desk.state(NS)).knots) == 10
    assert desk.node.shell.counts["spc/plan: encoding"] == 1


def test_samples_come_at_the_planners_rate_for_seeded_spc(
    start: Callable[..., Rig], peer: Peer, identity: Path
) -> None:
    desk = Desk(start(PolicyServer, lockstep="true", model_file=identity, seed_samples=3), peer)
    desk.want("seeded_spc")
    for tick in range(10):
        desk.estimate(desk.state(NS + tick * PERIOD, epoch=2))
        desk.peer.spin(1)
    desk.sample(desk.state(NS + EVERY, epoch=2))
    assert [found.stamp_ns for found in desk.samples] == [NS, NS + EVERY]
    planner = core.Policy(desk.task, desk.node.shell.value)
    for found in desk.samples:
        assert found.epoch == 2
        assert found.knots.tobytes() == planner.samples(desk.state(found.stamp_ns)).knots.tobytes()
    assert desk.plans == []
    for _ in range(2):
        desk.estimate(desk.state(NS + EVERY, epoch=2))
    desk.peer.until(lambda: len(desk.samples) == 4, "the same answers")
    assert desk.node.shell.samples_time.count == 2


def test_without_a_policy_it_says_so_and_answers_that_there_is_nothing(
    start: Callable[..., Rig], peer: Peer, unshipped: None
) -> None:
    desk = Desk(start(PolicyServer), peer)
    assert desk.node.shell.figures() == {"state": "no policy"}
    assert desk.node.shell.trouble() == ""
    desk.want("policy", "seeded_spc")
    assert desk.plan(desk.state(NS)).knots.shape == (0, 1)
    assert desk.sample(desk.state(NS)).knots.shape == (0, 1, 1)
    assert "has no policy" in desk.node.shell.trouble()
    assert desk.set(warm_start=0.5).successful


def test_a_policy_can_be_given_to_a_robot_that_has_none(
    start: Callable[..., Rig], peer: Peer, unshipped: None, tmp_path: Path
) -> None:
    """And it is told the goal that had come before."""
    desk = Desk(start(PolicyServer, robot="particle"), peer)
    message = PoseStamped()
    message.pose.position.x, message.pose.position.y = 0.1, -0.2
    peer.say("goal_pose", message)
    peer.until(lambda: desk.node.shell.goal is not None, "the goal to arrive")
    desk.want("policy")
    file = policies.write(tmp_path / "a.onnx", "particle", keep=0.0, feedback=-np.eye(2, 4))
    assert desk.set(model_file=str(file)).successful
    state = desk.state(NS)
    np.testing.assert_allclose(desk.plan(state).knots[0], [0.1, -0.2] - state.qpos, atol=1e-6)


def test_the_warm_start_level_is_a_live_parameter(desk: Desk) -> None:
    assert desk.set(warm_start=0.0).successful
    planner = core.Policy(desk.task, desk.node.shell.value)
    assert desk.plan(desk.state(NS)).knots.tobytes() == planner.plan(desk.state(NS)).knots.tobytes()
    assert planner.parameters.warm_start == 0.0
    refused = desk.set(warm_start=2.0)
    assert not refused.successful
    assert "warm_start" in refused.reason
    assert desk.node.shell.figures()["warm_start"] == 0.0


def test_a_model_file_is_swapped_between_two_ticks_and_goes_on(desk: Desk, tmp_path: Path) -> None:
    before = desk.plan(desk.state(NS))
    other = policies.write(tmp_path / "other.onnx")
    assert desk.set(model_file=str(other)).successful
    after = desk.plan(desk.state(NS + PERIOD))
    np.testing.assert_allclose(after.knots, before.knots, atol=1e-6)  # this one keeps the plan as it is
    assert desk.node.shell.figures()["model"] == str(other)


def test_a_bad_model_file_is_refused_with_the_reason_and_the_old_one_goes_on(desk: Desk, tmp_path: Path) -> None:
    for tick, (file, words) in enumerate(policies.bad_files(tmp_path).items()):
        result = desk.set(model_file=str(file))
        assert not result.successful
        assert words in result.reason
        assert str(file) in result.reason
        assert len(desk.plan(desk.state(NS + tick * PERIOD)).knots) == 10
    assert desk.node.shell.figures()["model"].endswith("offset.onnx")


def test_a_plan_that_is_not_finite_is_dropped_and_named(start: Callable[..., Rig], peer: Peer, tmp_path: Path) -> None:
    feedback = np.array([[3e38, 0.0, 0.0, 3e38, 0.0]])
    desk = Desk(start(PolicyServer, model_file=policies.write(tmp_path / "a.onnx", feedback=feedback)), peer)
    desk.want("policy", "seeded_spc")
    far = desk.state(NS, shift=30.0)
    assert desk.plan(far).knots.shape == (0, 1)
    assert desk.sample(far).knots.shape == (0, 10, 1)
    assert desk.node.shell.counts["no finite plan"] == 1
    assert desk.node.shell.counts["samples not finite"] == 16
    assert ("warn", "plan dropped: it is not finite") in desk.node.said
    assert len(desk.plan(desk.state(NS + PERIOD)).knots) == 10  # and goes on


def test_it_tells_what_it_runs_on(desk: Desk) -> None:
    desk.plan(desk.state(NS))
    figures = desk.node.shell.figures()
    assert figures["provider"] == "CPUExecutionProvider"
    assert figures["sha256"] == desk.node.shell.policy.model.metadata.sha256
    assert figures["plans"] == 1
    assert figures["inference_ms max"] > 0
    assert desk.node.shell.summary()["inference_ms"].keys() == {"p50", "p99", "max"}


def test_a_bad_file_that_is_named_at_launch_ends_the_node(
    start: Callable[..., Rig], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_text("no policy")
    with pytest.raises(InvalidModel, match=r"bad\.onnx"):
        start(PolicyServer, model_file=bad)
    assert run([PolicyServer], ["--ros-args", "-p", f"policy_server:model_file:={bad}"]) == 2
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "bad.onnx" in line]
    assert line.startswith("gpc_ros policy_server: ")


def test_a_bad_policy_that_comes_with_the_robot_leaves_it_idle(
    start: Callable[..., Rig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_text("no policy")
    monkeypatch.setattr(core, "shipped", lambda robot: bad)
    assert start(PolicyServer).shell.figures() == {"state": "no policy"}
