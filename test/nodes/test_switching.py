"""All nodes together: planners exchanged by parameter while the robot balances, and what does not make it fall."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import policies
import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("sensor_msgs.msg", reason="needs the ROS package sensor_msgs")
from rig import Peer, Rig
from stacks import SLEW, Stack

pytestmark = [pytest.mark.ros, pytest.mark.slow]


@pytest.fixture
def stack(start: Callable[..., Rig], peer: Peer, tmp_path: Path) -> Stack:
    return Stack(start, peer, policies.balancing(tmp_path / "balancing.onnx"))


def test_twenty_switches_in_a_row_without_a_fall_or_a_jump(stack: Stack) -> None:
    for number in range(20):
        planner = ("seeded_spc", "policy", "spc")[number % 3]
        result = stack.set("controller", "planner", planner)
        assert result.successful, result.reason
        stack.run(20)
        assert stack.controller.shell.executive.driver == planner
    assert stack.stands()
    step = np.abs(np.diff(stack.log()[1], axis=0)).max()
    width = np.ptp(stack.simulator.shell.task.model.actuator_ctrlrange)
    assert step <= SLEW * width * stack.simulator.shell.value.period_ns * 1e-9 * (1 + 1e-9)
    assert stack.controller.shell.executive.counts["fallbacks"] == 0


def test_bad_model_files_leave_it_standing(stack: Stack, tmp_path: Path) -> None:
    """Driven by the policy, by sampling and by hold, while broken files are offered."""
    bad = policies.bad_files(tmp_path)
    for planner in ("policy", "seeded_spc", "spc", "hold"):
        assert stack.set("controller", "planner", planner).successful
        for file, words in bad.items():
            result = stack.set("policy_server", "model_file", str(file))
            assert not result.successful
            assert str(file) in result.reason
            assert words in result.reason
        stack.run(20)
        assert stack.controller.shell.executive.driver == planner
        assert planner == "hold" or stack.stands()  # hold keeps the cart where it is, not the pole
    assert np.isfinite(stack.log()[1]).all()
    assert stack.controller.shell.executive.counts["fallbacks"] == 0
    assert all(node.loop.counts == {} for node in stack.nodes)


def test_a_policy_that_fails_upright_is_not_switched_to(stack: Stack, tmp_path: Path) -> None:
    broken = policies.write(tmp_path / "a.onnx", feedback=np.array([[0.0, 3e38, 0.0, 0.0, 0.0]]), offset=-3e38)
    assert stack.set("policy_server", "model_file", str(broken)).successful  # it is well at the named start
    result = stack.set("controller", "planner", "policy")
    assert not result.successful
    assert "'spc' drives on" in result.reason
    assert stack.controller.shell.executive.driver == "spc"
    assert stack.stands()


def test_a_model_is_swapped_while_it_drives(stack: Stack, tmp_path: Path) -> None:
    assert stack.set("controller", "planner", "policy").successful
    assert stack.set("policy_server", "model_file", str(policies.balancing(tmp_path / "again.onnx"))).successful
    stack.run(50)
    assert stack.controller.shell.executive.driver == "policy"
    assert stack.server.shell.figures()["model"].endswith("again.onnx")
    assert stack.stands()
