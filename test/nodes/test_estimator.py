"""The estimator's node: one estimate for each measurement, the model over the gaps, refusals in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("sensor_msgs.msg", reason="needs the ROS package sensor_msgs")
from domains import new_domain
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rig import Peer, Rig

from gpc_ros import registry
from gpc_ros.nodes import cdr
from gpc_ros.nodes.codec import Codec
from gpc_ros.nodes.estimator import Estimator
from gpc_ros.signals import Command, Estimate, Measurement
from gpc_ros.tasks.base import Task

pytestmark = pytest.mark.ros
NS = 1_000_000_000
PERIOD = 2_000_000
CODEC = Codec(registry.load("tasks", "cart_pole", Task)().model)
POSITION = np.array([0.1, 3.0])


class Desk:
    """The estimator and a peer that plays sensors and controller."""

    def __init__(self, node: Rig, peer: Peer) -> None:
        self.node, self.peer = node, peer
        peer.hear("state_estimate")

    @property
    def estimates(self) -> list[Estimate]:
        return [CODEC.decode_estimate(data) for data in self.peer.heard["state_estimate"]]

    def measure(self, stamp_ns: int, position: np.ndarray = POSITION, *, epoch: int = 0) -> None:
        self.peer.say("joint_states", CODEC.encode_measurement(Measurement(stamp_ns, {"position": position}, epoch)))

    def command(self, stamp_ns: int, value: float = 0.0, *, epoch: int = 0) -> None:
        self.peer.say("command", CODEC.encode_command(Command(stamp_ns, np.array([value]), epoch=epoch)))

    def until(self, condition: Callable[[Estimate], bool], what: str) -> Estimate:
        return self.peer.until(lambda: next((e for e in self.estimates if condition(e)), None), what)

    def estimate(self, stamp_ns: int, *, epoch: int = 0) -> Estimate:
        what = f"the estimate of {stamp_ns}"
        return self.until(lambda e: (e.stamp_ns, e.epoch) == (stamp_ns, epoch) and not e.coasted, what)


@pytest.fixture
def steps(start: Callable[..., Rig], peer: Peer) -> Desk:
    return Desk(start(Estimator, lockstep="true"), peer)


@pytest.fixture
def live(start: Callable[..., Rig], peer: Peer) -> Desk:
    """In real time, with long periods: a busy machine changes nothing."""
    return Desk(start(Estimator, rate_hz=20.0, coast_time_s=10.0), peer)


def test_one_estimate_for_each_measurement_and_command(steps: Desk) -> None:
    for tick in range(5):
        stamp = NS + tick * PERIOD
        steps.measure(stamp)
        steps.estimate(stamp)
        steps.command(stamp)
    assert [estimate.stamp_ns for estimate in steps.estimates] == [NS + tick * PERIOD for tick in range(5)]
    assert np.allclose(steps.estimates[-1].qpos, POSITION, atol=0.01)


def test_asked_again_it_gives_the_same_answer(steps: Desk) -> None:
    for _ in range(3):
        steps.measure(NS)
    steps.peer.until(lambda: len(steps.estimates) == 3, "three answers")
    assert len(set(map(bytes, steps.peer.heard["state_estimate"]))) == 1
    assert steps.node.shell.time_used.count == 1


def test_in_lock_step_it_waits_for_the_command_in_between(steps: Desk) -> None:
    steps.measure(NS)
    steps.estimate(NS)
    steps.measure(NS + PERIOD)
    steps.peer.until(lambda: steps.node.shell._waiting is not None, "the measurement to arrive")
    steps.peer.spin()
    assert len(steps.estimates) == 1
    steps.command(NS, 0.5)
    steps.estimate(NS + PERIOD)


def test_it_predicts_with_the_commands(start: Callable[..., Rig], peer: Peer) -> None:
    """Two runs alike but for the command differ by it, and two alike do not differ."""
    velocities = []
    for value in (0.0, 0.0, 1.0):
        domain = new_domain()
        node, other = Rig(Estimator, domain, lockstep="true"), Peer(domain)
        desk = Desk(node, other)
        desk.measure(NS)
        desk.estimate(NS)
        desk.command(NS, value)
        desk.measure(NS + PERIOD)
        velocities.append(desk.estimate(NS + PERIOD).qvel.tobytes())
        other.close()
        node.close()
    assert velocities[0] == velocities[1] != velocities[2]


def test_a_new_epoch_starts_anew(steps: Desk) -> None:
    steps.measure(NS)
    steps.estimate(NS)
    steps.measure(NS, -POSITION, epoch=1)
    estimate = steps.estimate(NS, epoch=1)
    assert np.allclose(estimate.qpos, -POSITION, atol=0.01)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_measurement_that_is_not_finite_is_refused_and_what_goes_out_is_finite(steps: Desk, value: float) -> None:
    steps.measure(NS)
    steps.estimate(NS)
    steps.command(NS)
    steps.measure(NS + PERIOD, np.array([value, 0.0]))
    steps.peer.until(lambda: steps.node.shell.ekf.counters["nonfinite"] == 1, "the refusal")
    steps.peer.until(lambda: any("measurement refused" in text for _, text in steps.node.said), "the log")
    steps.command(NS + PERIOD)
    steps.measure(NS + 2 * PERIOD)
    steps.estimate(NS + 2 * PERIOD)
    for estimate in steps.estimates:
        assert np.isfinite(estimate.qpos).all()
        assert np.isfinite(estimate.qvel).all()
    assert steps.node.loop.counts == {}


@pytest.mark.parametrize(
    ("names", "values", "reason"),
    [(("slider", "elbow"), [0.0, 0.0], "names"), ((), [], "names"), (("slider", "hinge"), [0.0], "size")],
)
def test_wrong_names_and_sizes_are_refused_in_words(
    steps: Desk, names: tuple[str, ...], values: list[float], reason: str
) -> None:
    steps.peer.say("joint_states", cdr.encode_joint_state(NS, "", names, values))
    steps.peer.until(lambda: steps.node.shell.counts[f"joint_states: {reason}"] == 1, "the refusal")
    assert any(text.startswith("joint_states refused: ") for _, text in steps.node.said)
    steps.measure(NS)
    steps.estimate(NS)


def test_a_command_that_is_not_finite_does_not_spoil_the_estimate(steps: Desk) -> None:
    steps.measure(NS)
    steps.estimate(NS)
    steps.command(NS, np.nan)
    steps.measure(NS + PERIOD)
    estimate = steps.estimate(NS + PERIOD)
    assert np.isfinite(estimate.qvel).all()
    assert steps.node.shell.ekf.counters["command"] == 1


def test_it_coasts_over_a_gap_and_a_measurement_supersedes(live: Desk) -> None:
    period = 50_000_000

    def coasting() -> bool:
        live.measure(NS)  # best effort: until one arrives
        return bool(live.estimates)

    live.peer.until(coasting, "the first estimate")
    coasted = live.until(lambda estimate: estimate.coasted, "an estimate without measurement")
    assert coasted.stamp_ns > NS
    assert (coasted.stamp_ns - NS) % period == 0
    late = coasted.stamp_ns

    def measured() -> bool:
        live.measure(late)
        return any(e.stamp_ns == late and not e.coasted for e in live.estimates)

    live.peer.until(measured, "the estimate of the late measurement")
    stamps = [estimate.stamp_ns for estimate in live.estimates if estimate.coasted]
    assert all((stamp - NS) % period == 0 for stamp in stamps)
    assert live.node.shell.counts["coasted"] >= 1


def test_in_lock_step_it_never_coasts(steps: Desk) -> None:
    assert not steps.node.loop._timers


def test_its_covariance_is_labelled_and_symmetric(steps: Desk) -> None:
    steps.peer.hear("state_estimate/covariance", raw=False)
    steps.measure(NS)
    message = steps.peer.until(
        lambda: steps.peer.heard["state_estimate/covariance"] and steps.peer.heard["state_estimate/covariance"][-1],
        "the covariance",
    )
    rows, columns = (dimension.size for dimension in message.layout.dim)
    matrix = np.array(message.data).reshape(rows, columns)
    assert (rows, columns) == (4, 4)
    assert [dimension.label for dimension in message.layout.dim] == ["row", "column"]
    assert np.allclose(matrix, matrix.T)
    assert np.all(np.linalg.eigvalsh(matrix) > 0)


def set_parameter(desk: Desk, name: str, value: Any) -> Any:
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    return desk.peer.call(SetParameters, "estimator/set_parameters", request).results[0]


def test_a_new_parameter_reaches_the_filter(steps: Desk) -> None:
    before = steps.node.shell.ekf
    assert set_parameter(steps, "position_std", [0.5]).successful
    steps.peer.until(lambda: steps.node.shell.ekf is not before, "the filter with the new noise")
    assert steps.node.shell.ekf._parameters.position_std == [0.5]
    assert set_parameter(steps, "actuation_delay_s", 0.004).successful
    steps.peer.until(lambda: steps.node.shell.commands.delay_ns == 4_000_000, "the new delay")
    steps.measure(NS)
    steps.estimate(NS)


def test_a_parameter_that_the_filter_refuses_is_refused(steps: Desk) -> None:
    result = set_parameter(steps, "position_std", [0.1, 0.1, 0.1])
    assert not result.successful
    assert "position_std has 3 values" in result.reason
