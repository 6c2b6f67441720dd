"""The web node: what it hears while a browser looks, and what it asks of the other nodes."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("viser", reason="needs viser")
from browsers import PATIENCE_S, Browser
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rig import Peer, Rig
from std_msgs.msg import String

from gpc_ros import spec
from gpc_ros.errors import GpcError
from gpc_ros.nodes.controller import Controller
from gpc_ros.nodes.simulator import Simulator
from gpc_ros.nodes.spc import Spc
from gpc_ros.nodes.web import Web
from gpc_ros.signals import Command, Estimate, Measurement
from gpc_ros.viz.page.port import PAUSE, RESET, RESUME, STEP

pytestmark = pytest.mark.ros
OFTEN = {f"/{topic.lstrip('/')}" for topic in spec.NODES["web"].inputs} - {"/goal_pose", "/controller/active"}


@pytest.fixture
def web(start: Callable[..., Rig]) -> Rig:
    return start(Web, robot="cart_pole", port=18_600)


@pytest.fixture
def look() -> Iterator[Callable[[Rig], Browser]]:
    """Opens a browser on a web node's page."""
    browsers: list[Browser] = []

    def at(rig: Rig) -> Browser:
        browsers.append(Browser(rig.shell.server.address))
        browsers[-1].until(lambda: rig.shell.port.is_open, "the node to listen")
        return browsers[-1]

    yield at
    for browser in browsers:
        browser.close()


def heard(web: Rig) -> set[str]:
    return {end.topic_name for end in web.shell.node.subscriptions} & OFTEN


def test_the_page_is_there_and_its_address_is_told(web: Rig) -> None:
    address = web.shell.figures()["page"]
    assert address.startswith("http://127.0.0.1:186")
    with urllib.request.urlopen(address) as response:
        assert response.status == 200


def test_it_listens_only_while_somebody_looks(web: Rig, look: Callable[[Rig], Browser]) -> None:
    assert heard(web) == set()
    first, second = look(web), look(web)
    assert heard(web) == OFTEN
    first.close()
    second.until(lambda: web.shell.page.browsers == 1, "the first to have left")
    assert heard(web) == OFTEN
    second.close()
    second.until(lambda: not heard(web), "the node to listen no more")
    assert web.shell.figures()["browsers"] == 0
    assert not web.loop.counts


def test_what_is_published_is_on_the_page(web: Rig, peer: Peer, look: Callable[[Rig], Browser]) -> None:
    browser = look(web)
    peer.say("controller/active", String(data="spc"))
    values = [KeyValue(key="health", value="splendid")]
    status = DiagnosticStatus(name="gpc_ros/estimator", level=DiagnosticStatus.WARN, message="dizzy", values=values)
    peer.say("/diagnostics", DiagnosticArray(status=[status]))

    def shown() -> bool:
        peer.say("state_estimate", web.codec.encode_estimate(Estimate(5_000_000, np.array([0.6, 0.1]), np.zeros(2))))
        text = str(browser.gui)
        moved = browser.scene["/world/robot/body 1"].get("position", [0])[0] == 0.6
        return moved and "**spc** drives" in text and "splendid" in text and "**dizzy**" in text

    peer.until(shown, "the robot, who drives, and how the estimator does")


def test_the_time_from_measurement_to_command_is_measured(web: Rig, peer: Peer, look: Callable[[Rig], Browser]) -> None:
    look(web)
    latencies = web.shell.page._plots._latency._latencies
    stamp_ns = 0

    def measured() -> bool:
        nonlocal stamp_ns
        stamp_ns += 2_000_000
        peer.say("joint_states", web.codec.encode_measurement(Measurement(stamp_ns, {"position": np.zeros(2)})))
        peer.say("command", web.codec.encode_command(Command(stamp_ns, np.zeros(1))))
        peer.say("command", web.codec.encode_command(Command(stamp_ns, np.zeros(1))))  # sent again: not counted
        return len(latencies) > 10

    peer.until(measured, "latencies")
    assert all(0 < latency < PATIENCE_S * 1e9 for latency in latencies)
    assert len(latencies) <= stamp_ns // 2_000_000


@pytest.mark.parametrize("topic", ["state_estimate", "command", "spc/candidates", "joint_states", "ground_truth"])
def test_garbage_is_refused_and_the_page_lives_on(
    web: Rig, peer: Peer, look: Callable[[Rig], Browser], topic: str
) -> None:
    browser = look(web)
    peer.say(topic, b"\x00\x01\x00\x00" + b"\xff" * 7)
    peer.spin(20)
    estimate = web.codec.encode_estimate(Estimate(5_000_000, np.array([0.4, 0.1]), np.zeros(2)))

    def shown() -> bool:
        peer.say("state_estimate", estimate)
        return browser.scene["/world/robot/body 1"].get("position", [0])[0] == 0.4

    peer.until(shown, "the robot")
    assert not web.loop.counts


def test_parameters_are_those_of_the_nodes(
    start: Callable[..., Rig], web: Rig, peer: Peer, look: Callable[[Rig], Browser]
) -> None:
    controller, browser = start(Controller, robot="cart_pole"), look(web)
    browser.until(lambda: (web.shell.port.values("controller") or {}).get("planner") == "spc", "the controller's")
    assert web.shell.port.values("spc") is None
    browser.until(lambda: not browser.of("blend time")["disabled"], "the slider")
    browser.set("blend time", 0.2)
    browser.until(lambda: controller.shell.value.blend_time_s == 0.2, "the controller to have it")
    browser.until(lambda: browser.of("rule")["disabled"], "the controls of spc, which is not there")
    controller.shell.node.set_parameters([parameter("blend_time_s", 0.11)])
    browser.until(lambda: browser.of("blend time")["value"] == 0.11, "the page to follow")


def parameter(name: str, value: Any) -> Any:
    from rclpy.parameter import Parameter

    return Parameter(name, value=value)


def test_a_refusal_comes_back_with_its_reason(
    start: Callable[..., Rig], web: Rig, look: Callable[[Rig], Browser]
) -> None:
    start(Controller, robot="cart_pole")
    browser, answers = look(web), []
    browser.until(lambda: web.shell.port.values("controller"), "the controller's parameters")
    web.shell.port.set_value("controller", "planner", "chauffeur", answers.append)
    browser.until(lambda: answers, "an answer")
    assert "unknown planner 'chauffeur'" in answers[0]
    assert "Valid: hold, policy, seeded_spc, spc" in answers[0]
    web.shell.port.set_value("controller", "blend_time_s", -1.0, answers.append)
    browser.until(lambda: len(answers) == 2, "an answer")
    assert "blend_time_s" in answers[1]


def test_a_node_that_is_not_there_is_said_to_be_so_at_once(web: Rig) -> None:
    answers: list[str] = []
    web.shell.port.set_value("spc", "noise", 0.2, answers.append)
    web.shell.port.ask_plant(RESET, answers.append)
    assert answers == ["nobody serves spc/set_parameters", "nobody serves simulator/reset"]


def test_a_node_that_leaves_leaves_nothing_waiting(
    start: Callable[..., Rig], web: Rig, look: Callable[[Rig], Browser]
) -> None:
    controller, answers = start(Controller, robot="cart_pole"), []
    browser = look(web)
    browser.until(lambda: web.shell.port.values("controller"), "the controller's parameters")
    controller._closing.set()  # it answers no more
    controller._thread.join()
    web.shell.port.set_value("controller", "planner", "hold", answers.append)
    assert answers == []
    controller.shell.node.destroy_node()
    browser.until(lambda: answers, "the page to give up")
    assert answers == ["no answer of controller/set_parameters"]
    browser.until(lambda: web.shell.port.values("controller") is None, "the page to know")


def test_the_simulator_is_paused_stepped_reset_and_pushed(
    start: Callable[..., Rig], web: Rig, look: Callable[[Rig], Browser]
) -> None:
    plant, browser, answers = start(Simulator, robot="cart_pole", lockstep="true"), look(web), []
    browser.until(lambda: web.shell.port.values("simulator"), "the simulator")
    for what in (PAUSE, STEP, RESUME, STEP, RESET):
        before = len(answers)
        web.shell.port.ask_plant(what, answers.append)
        browser.until(lambda n=before: len(answers) > n, what)
    assert answers == ["", "", "", "not paused", ""]
    browser.until(lambda: plant.shell.simulation.epoch > 1, "the reset")
    browser.until(lambda: browser.of("Simulation")["visible"], "the buttons")
    browser.until(lambda: plant.readers("/push") == [1], "the push to be heard")
    browser.set("Direction", "right →")
    browser.until(lambda: plant.shell.simulation.pushes.acting, "the push")
    browser.set("stuck", True)
    browser.until(lambda: plant.shell.value.faults.stuck, "the fault")


def test_stopping_and_a_goal_reach_the_graph(
    start: Callable[..., Rig], peer: Peer, look: Callable[[Rig], Browser]
) -> None:
    web = start(Web, robot="particle", port=18_600)
    browser = look(web)
    peer.hear("controller/stop", raw=False)
    browser.set("Stop", True)
    peer.until(lambda: peer.heard["controller/stop"], "stop")
    assert peer.heard["controller/stop"][0].data is True
    web.shell.port.go_to(np.array([0.1, -0.2]))
    peer.hear("goal_pose", raw=False)
    (goal,) = peer.until(lambda: peer.heard["goal_pose"], "the goal")
    assert (goal.pose.position.x, goal.pose.position.y) == (0.1, -0.2)
    browser.until(lambda: browser.scene["/world/goal"].get("position", [0])[0] == 0.1, "the handle to follow")


def test_candidates_are_made_only_while_somebody_looks(
    start: Callable[..., Rig], web: Rig, look: Callable[[Rig], Browser]
) -> None:
    spc, browser = start(Spc, robot="cart_pole"), look(web)
    browser.until(lambda: spc.writers("/spc/candidates") == [1], "the page to be heard of")
    browser.close()
    browser.until(lambda: spc.writers("/spc/candidates") == [0], "the page to have left")


def test_an_impossible_address_is_one_line(start: Callable[..., Rig]) -> None:
    with pytest.raises(GpcError, match=r"^the page cannot be at 192\.0\.2\.7:18600: [^\n]+$"):
        start(Web, host="192.0.2.7", port=18_600)


def test_the_rate_of_the_picture_can_be_changed(web: Rig, peer: Peer) -> None:
    web.shell.node.set_parameters([parameter("frame_rate_hz", 10.0)])
    peer.until(lambda: web.shell._tick.period_ns == 100_000_000, "the new rate")
