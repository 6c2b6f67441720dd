"""The controller's node: it holds, drives, switches, stops; the last word is the safe command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("std_msgs.msg", reason="needs the ROS package std_msgs")
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rig import PATIENCE_S, Peer, Rig
from std_msgs.msg import Bool, Float64MultiArray

from gpc_ros import registry
from gpc_ros.nodes import cdr
from gpc_ros.nodes.codec import Codec
from gpc_ros.nodes.controller import Controller
from gpc_ros.signals import Command, Estimate, Plan
from gpc_ros.tasks.base import Task

pytestmark = pytest.mark.ros
NS = 1_000_000_000
PERIOD = 2_000_000
LONG = 100 * NS  # a plan that does not end within a test
CODEC = Codec(registry.load("tasks", "cart_pole", Task)().model)
PATIENT = {"estimate_timeout_s": 1.0, "plan_timeout_s": 10.0, "blend_time_s": 0.0}


class Desk:
    """The controller and a peer that plays estimator, planner and robot."""

    def __init__(self, node: Rig | None, peer: Peer) -> None:
        self.node, self.peer = node, peer
        self._decoded: list[Command] = []
        peer.hear("command", depth=100_000)

    @property
    def commands(self) -> list[Command]:
        for data in self.peer.heard["command"][len(self._decoded) :]:
            self._decoded.append(CODEC.decode_command(data))
        return self._decoded

    def estimate(self, stamp_ns: int, **changes: Any) -> None:
        values = {"qpos": np.array([0.5, 0.1]), "qvel": np.array([0.2, 0.0]), **changes}
        self.peer.say("state_estimate", CODEC.encode_estimate(Estimate(stamp_ns, **values)))

    def plan(self, stamp_ns: int, value: float = 0.3, *, count: int = 2, **changes: Any) -> None:
        values = {"stamp_ns": stamp_ns, "start_ns": stamp_ns, "period_ns": LONG, "planner": "spc", **changes}
        knots = np.full((count, 1), value)
        self.peer.say("spc/plan", CODEC.encode_plan(Plan(knots=knots, **values)))

    def until(self, condition: Callable[[Command], bool], what: str) -> Command:
        self.peer.until(lambda: self.commands and condition(self.commands[-1]), what)
        return self.commands[-1]

    def drive(self) -> None:
        """Give plans and estimates until the plan drives."""

        def driving() -> bool:
            stamp = self.commands[-1].stamp_ns + PERIOD if self.commands else NS
            self.plan(stamp)
            self.estimate(stamp)
            self.peer.spin(1)
            return bool(self.commands) and self.commands[-1].ctrl[0] == 0.3

        self.peer.until(driving, "the plan to drive")

    def answer(self, stamp_ns: int) -> Command:
        """The first answer to ``stamp_ns``."""
        what = f"the answer to {stamp_ns}"
        return self.peer.until(lambda: next((c for c in self.commands if c.stamp_ns == stamp_ns), None), what)

    def set(self, **values: object) -> Any:
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        )
        return self.peer.call(SetParameters, "controller/set_parameters", request).results[0]

    def stop(self, stopped: bool) -> None:
        self.peer.say("controller/stop", Bool(data=stopped))


@pytest.fixture
def steps(start: Callable[..., Rig], peer: Peer) -> Desk:
    """In lock-step."""
    return Desk(start(Controller, lockstep="true", blend_time_s=0.0), peer)


@pytest.fixture
def live(start: Callable[..., Rig], peer: Peer) -> Desk:
    """In real time, but patient enough for a machine that is busy with other things."""
    return Desk(start(Controller, **PATIENT), peer)


def test_without_a_plan_it_holds(live: Desk) -> None:
    live.estimate(NS)
    held = live.answer(NS)
    assert held.ctrl[0] < 0.0  # against the cart's motion
    live.peer.until(lambda: ("warn", "hold drives (spc: no plan yet)") in live.node.said, "the log")


def test_with_a_plan_it_drives(steps: Desk) -> None:
    steps.plan(NS, 0.3)
    steps.estimate(NS)
    assert steps.answer(NS).ctrl.tolist() == [0.3]
    assert steps.node.shell.executive.driver == "spc"


def test_in_lock_step_it_waits_for_the_plan_that_is_due(steps: Desk) -> None:
    steps.estimate(NS)
    steps.peer.until(lambda: steps.node.shell.executive.stamp_ns == NS, "the estimate to arrive")
    steps.peer.spin()
    assert steps.commands == []
    steps.plan(NS, 0.25)
    assert steps.answer(NS).ctrl.tolist() == [0.25]
    steps.estimate(NS + PERIOD)  # not due: no waiting
    assert steps.answer(NS + PERIOD).ctrl.tolist() == [0.25]


def test_in_lock_step_an_empty_plan_ends_the_waiting_too(steps: Desk) -> None:
    steps.estimate(NS)
    steps.plan(NS, count=0)
    steps.answer(NS)
    assert steps.node.shell.executive.driver == "hold"


def test_asked_again_it_gives_the_same_answer_without_thinking_again(steps: Desk) -> None:
    steps.plan(NS)
    for _ in range(3):
        steps.estimate(NS)
    steps.peer.until(lambda: len(steps.commands) == 3, "three answers")
    assert len(set(map(bytes, steps.peer.heard["command"]))) == 1
    assert steps.node.shell.time_used.count == 1


def test_commands_stay_inside_the_ctrlrange(steps: Desk) -> None:
    low, high = steps.node.shell.task.model.actuator_ctrlrange[0]
    for tick, (value, expected) in enumerate([(1e9, high), (-1e9, low)]):
        stamp = NS + 10 * tick * PERIOD
        steps.plan(stamp, value)
        steps.estimate(stamp)
        assert steps.answer(stamp).ctrl.tolist() == [expected]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"value": np.nan}, "spc plan: nonfinite"),
        ({"value": np.inf}, "spc plan: nonfinite"),
        ({"stamp_ns": NS - PERIOD}, "spc plan: old stamp"),
        ({"epoch": 0}, "spc plan: old epoch"),
    ],
)
def test_a_bad_plan_is_counted_and_the_good_one_drives_on(steps: Desk, bad: dict[str, Any], reason: str) -> None:
    steps.plan(NS, 0.3, epoch=1)
    steps.estimate(NS, epoch=1)
    assert steps.answer(NS).ctrl.tolist() == [0.3]
    steps.plan(**{"stamp_ns": NS + PERIOD, "value": -0.3, "epoch": 1, **bad})
    counts = steps.node.shell.executive.counts
    steps.peer.until(lambda: counts[reason] == 1, reason)
    steps.estimate(NS + PERIOD, epoch=1)
    assert steps.answer(NS + PERIOD).ctrl.tolist() == [0.3]


def test_bad_bytes_are_counted_by_topic_and_reason(steps: Desk) -> None:
    steps.peer.say("state_estimate", b"\0\1\0\0rubbish")
    steps.peer.say("spc/plan", b"rubbish")
    steps.peer.say("state_estimate", cdr.encode_joint_state(NS, "", ("elbow",), [0.0], [0.0]))
    counts = steps.node.shell.counts
    steps.peer.say("controller/stop", b"\0\1\0\0")
    for reason in ("state_estimate: size", "spc/plan: encoding", "state_estimate: names", "controller/stop: size"):
        steps.peer.until(lambda reason=reason: counts[reason] == 1, reason)
    assert steps.commands == []
    assert steps.node.loop.counts == {}


@pytest.mark.parametrize("field", ["qpos", "qvel"])
def test_an_estimate_that_is_not_finite_is_no_estimate(steps: Desk, field: str) -> None:
    steps.estimate(NS, **{field: np.array([np.nan, 0.0])})
    steps.peer.until(lambda: steps.node.shell.executive.counts["estimate: nonfinite"] == 1, "the refusal")
    assert steps.commands == []


def test_when_estimates_stop_so_does_the_robot(start: Callable[..., Rig], peer: Peer) -> None:
    desk = Desk(start(Controller, plan_timeout_s=10.0, blend_time_s=0.0), peer)
    desk.estimate(NS)
    desk.answer(NS)
    desk.until(lambda command: command.stamp_ns > NS and command.ctrl[0] == 0.0, "the safe command")
    peer.until(lambda: desk.node.shell.executive.driver == "stop", "stop")
    assert "no estimate for 20 ms" in desk.node.shell._sent.reason


def test_an_unknown_planner_is_refused_with_the_list(live: Desk) -> None:
    for name in ("planner", "fallback"):
        result = live.set(**{name: "elbow"})
        assert not result.successful
        assert f"unknown {name} 'elbow'" in result.reason
        assert "hold, policy, seeded_spc, spc" in result.reason
    assert live.node.shell.executive.active == "spc"


def test_a_planner_that_gives_no_plan_is_refused_and_the_old_one_drives_on(
    start: Callable[..., Rig], peer: Peer
) -> None:
    desk = Desk(start(Controller, planner="hold", switch_timeout_s=0.1, **PATIENT), peer)
    desk.estimate(NS)
    desk.answer(NS)
    result = desk.set(planner="spc")
    assert not result.successful
    assert result.reason == "no plan from 'spc' within 0.1 s; 'hold' drives on"
    assert desk.node.shell.value.planner == desk.node.shell.executive.active == "hold"


def test_without_estimates_a_change_of_planner_is_refused(start: Callable[..., Rig], peer: Peer) -> None:
    desk = Desk(start(Controller, planner="hold", switch_timeout_s=0.1), peer)
    result = desk.set(planner="spc")
    assert not result.successful
    assert "'hold' stays" in result.reason


def test_a_planner_with_a_plan_takes_over_and_it_is_told(start: Callable[..., Rig], peer: Peer) -> None:
    desk = Desk(start(Controller, planner="hold", **PATIENT), peer)
    peer.hear("controller/active", raw=False)
    peer.hear("controller/wanted", raw=False)
    desk.estimate(NS)
    desk.answer(NS)
    desk.plan(NS, 0.3)
    peer.until(lambda: desk.node.shell.executive._plans, "the plan to arrive")
    assert desk.set(planner="spc").successful
    desk.until(lambda command: command.ctrl[0] == 0.3, "the new planner's command")
    assert desk.node.shell.value.planner == "spc"
    peer.until(lambda: peer.heard["controller/active"][-1].data == "spc", "the announcement")
    peer.until(lambda: peer.heard["controller/wanted"][-1].data == "spc", "the announcement")
    assert desk.set(planner="hold").successful  # hold always has a plan
    peer.until(lambda: peer.heard["controller/active"][-1].data == "hold", "the announcement")
    peer.until(lambda: peer.heard["controller/wanted"][-1].data == "", "the announcement")


def test_other_parameters_reach_the_executive(live: Desk) -> None:
    assert live.set(slew_rate=2.0).successful
    executive = live.node.shell.executive
    live.peer.until(lambda: executive.parameters.slew_rate == 2.0, "the slew rate")
    assert executive._limiter.slew_rate == 2.0


def test_stop_and_go(live: Desk) -> None:
    live.drive()
    live.stop(True)
    live.until(lambda command: command.ctrl[0] == 0.0, "the safe command")
    assert live.node.shell._sent.reason == "stop requested"
    live.stop(False)
    live.peer.until(lambda: not live.node.shell.executive.stopped, "the word to arrive")
    live.drive()


def test_commands_also_go_out_as_ros2_control_takes_them(start: Callable[..., Rig], peer: Peer) -> None:
    desk = Desk(start(Controller, lockstep="true", blend_time_s=0.0, command_array_topic="forward/commands"), peer)
    arrays: list[Float64MultiArray] = []
    end = peer.node.create_subscription(Float64MultiArray, "forward/commands", arrays.append, 10)
    peer.until(lambda: end.get_publisher_count() == 1, "the array's publisher")
    desk.plan(NS, 0.3)
    desk.estimate(NS)
    peer.until(lambda: arrays, "the array")
    assert list(arrays[-1].data) == desk.answer(NS).ctrl.tolist() == [0.3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_last_command_of_a_process_is_the_safe_one(peer: Peer, tmp_path: Path, number: signal.Signals) -> None:
    report = tmp_path / "report.json"
    parameters = {**PATIENT, "report": str(report), "realtime.priority": 0, "realtime.lock_memory": "false"}
    given = [part for key, value in parameters.items() for part in ("-p", f"{key}:={value}")]
    command = [sys.executable, "-m", "gpc_ros.nodes.controller", "--ros-args", *given]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        desk = Desk(None, peer)
        desk.drive()
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0
        desk.until(lambda command: command.ctrl[0] == 0.0, "the safe command")
        peer.spin()
        assert desk.commands[-1].ctrl[0] == 0.0
    finally:
        process.kill()
        _, errors = process.communicate()
    assert "Traceback" not in errors
    assert json.loads(report.read_text())["driver"] == "stop"
