"""The page as browsers see it: what they are told, and what becomes of what they ask for."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("viser", reason="needs viser")
from browsers import Browser
from fake_port import FakePort
from viser import _messages as messages

from gpc_ros import registry
from gpc_ros.node_parameters import PARAMETERS
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import NS_PER_S, Command, Estimate, Plan
from gpc_ros.tasks.base import Task
from gpc_ros.viz.page.page import Page
from gpc_ros.viz.page.plant import to_the_right
from gpc_ros.viz.page.port import PAUSE, RESET, RESUME, STEP, News
from gpc_ros.viz.page.server import serve

FRAME_NS = 40_000_000


class Stage:
    """The page of a robot, with browsers, refreshed by a thread or by the test."""

    def __init__(self, robot: str) -> None:
        self.task: Task = registry.load("tasks", robot, Task)()
        self.port = FakePort(robot)
        self.server = serve("127.0.0.1", 18_500, robot)
        self.page = Page(self.server, self.task, self.port, PARAMETERS, period_ns=2_000_000)
        self.browsers: list[Browser] = []
        self._now_ns = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def browser(self, *, deaf: bool = False) -> Browser:
        found = Browser(self.server.address, deaf=deaf)
        self.browsers.append(found)
        found.until(lambda: self.page.browsers >= len(self.browsers), "the page to know the browser")
        return found

    def refresh(self, times: int = 1) -> None:
        for _ in range(times):
            self._now_ns += FRAME_NS
            self.page.refresh(self._now_ns)

    def run(self) -> None:
        """Refresh from now on, by a thread as the node does."""
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(0.005):
            self.refresh()

    def at(self, qpos: list[float], tick: int = 1, **more: Any) -> News:
        """News of the robot at ``qpos``."""
        estimate = Estimate(tick * FRAME_NS, np.array(qpos), np.zeros(self.task.model.nv))
        self.port.now = News(estimate=estimate, driver="spc", **more)
        return self.port.now

    def close(self) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        for browser in self.browsers:
            browser.close()
        self.server.stop()


@pytest.fixture
def stage() -> Iterator[Callable[[str], Stage]]:
    stages: list[Stage] = []

    def make(robot: str) -> Stage:
        stages.append(Stage(robot))
        return stages[-1]

    yield make
    for found in stages:
        found.close()


@pytest.fixture
def cart(stage: Callable[[str], Stage]) -> Stage:
    found = stage("cart_pole")
    found.at([0.0, 0.0])
    return found


def test_without_a_browser_nothing_is_asked(cart: Stage) -> None:
    cart.refresh(10)
    assert cart.port.asked == 0
    browser = cart.browser()
    cart.refresh()
    assert cart.port.asked > 0
    browser.close()
    browser.until(lambda: not cart.page.browsers, "the page to notice")
    before = cart.port.asked
    cart.refresh(10)
    assert cart.port.asked == before


def test_every_browser_sees_the_robot_move(cart: Stage) -> None:
    early = cart.browser()
    cart.at([0.0, 0.0])
    cart.refresh()
    cart.at([0.7, 0.0], tick=2)
    cart.refresh()
    late = cart.browser()
    for browser in (early, late):
        browser.until(
            lambda b=browser: b.scene["/world/robot/body 1"].get("position", [0])[0] == 0.7, "the cart at 0.7"
        )
    assert early.scene.keys() == late.scene.keys()
    assert "/world/robot/body 2/pole" in "".join(early.scene)


def test_a_browser_that_does_not_read_holds_up_nobody(cart: Stage) -> None:
    """And costs no memory: of what it has missed only the newest is kept."""
    cart.browser(deaf=True)
    good = cart.browser()
    buffer = cart.server._websock_server._broadcast_buffer
    sizes = []
    for tick in range(1, 400):
        more = {"command": Command(tick * FRAME_NS, np.zeros(1)), "latencies_ns": (700_000,) * 5}
        cart.at([0.001 * tick, 0.1], tick, plan=plan_at(tick * FRAME_NS), **more)
        cart.refresh()
        sizes.append(len(buffer.message_from_id))
    good.until(
        lambda: good.scene["/world/robot/body 1"].get("position", [0])[0] == pytest.approx(0.399), "the last state"
    )
    assert max(sizes) < sizes[20] + 20


def plan_at(stamp_ns: int) -> Plan:
    return Plan(stamp_ns, stamp_ns, 100_000_000, np.full((10, 1), 0.3), Interpolation.LINEAR)


def test_plan_and_truth_are_drawn(cart: Stage) -> None:
    browser = cart.browser()
    truth = Estimate(FRAME_NS, np.array([0.5, 0.0]), np.zeros(2))
    cart.at([0.0, 0.0], plan=plan_at(FRAME_NS), truth=truth)
    cart.refresh()
    browser.until(lambda: browser.scene["/world/plan"].get("visible"), "the plan")
    browser.until(lambda: browser.scene["/world/truth/body 1"].get("visible"), "the ghost")
    assert browser.scene["/world/truth/body 1"]["position"][0] == 0.5
    cart.at([0.5, 0.0], truth=truth)
    cart.refresh(5)
    browser.until(lambda: not browser.scene["/world/truth/body 1"]["visible"], "the ghost to vanish into the robot")
    browser.until(lambda: not browser.scene["/world/plan"]["visible"], "the plan to end")


def test_the_drop_down_asks_the_controller(cart: Stage) -> None:
    browser = cart.browser()
    cart.run()
    assert browser.of("Planner")["options"] == registry.names("control")
    browser.until(lambda: browser.of("Planner")["value"] == "spc", "who drives")
    browser.set("Planner", "hold")
    browser.until(lambda: cart.port.calls, "the question")
    assert cart.port.calls == [("controller", "planner", "hold")]
    cart.port.now = replace(cart.port.now, driver="hold")
    browser.until(lambda: "**hold** drives" in headline(browser), "the headline")
    assert browser.of("Planner")["value"] == "spc"  # as it was told; what it shows itself, it knows
    other = cart.browser()
    other.until(lambda: other.of("Planner")["value"] == "hold", "the other browser to follow")


def headline(browser: Browser) -> str:
    return "".join(str(known.get("_markdown", known.get("content", ""))) for known in browser.gui.values())


def test_a_refused_planner_says_why_and_the_list_goes_back(cart: Stage) -> None:
    browser = cart.browser()
    cart.run()
    browser.until(lambda: browser.of("Planner")["value"] == "spc", "who drives")
    cart.port.refusal = "planner 'policy' gave no plan in 1 s; 'spc' stays"
    browser.set("Planner", "policy")
    browser.until(lambda: browser.notices, "a notice")
    assert browser.notices == ["policy does not drive: planner 'policy' gave no plan in 1 s; 'spc' stays"]
    browser.until(lambda: cart.page._driving._list.value == "spc", "the list to go back")


def test_while_a_change_is_on_its_way_the_list_stays(cart: Stage) -> None:
    browser = cart.browser()
    cart.refresh()
    cart.port.waiting = []
    browser.set("Planner", "hold")
    browser.until(lambda: cart.port.waiting, "the question")
    cart.refresh(50)
    assert cart.page._driving._list.value == "hold"
    cart.port.now = replace(cart.port.now, driver="hold")
    cart.port.waiting.pop()("")
    cart.refresh(50)
    assert cart.page._driving._list.value == "hold"


def test_stop_and_drive_on(cart: Stage) -> None:
    browser = cart.browser()
    cart.run()
    browser.set("Stop", True)
    browser.until(lambda: ("stop", True) in cart.port.calls, "stop")
    cart.port.now = replace(cart.port.now, driver="stop")
    browser.until(lambda: browser.of("Drive on")["visible"] and not browser.of("Stop")["visible"], "the other button")
    browser.set("Drive on", True)
    browser.until(lambda: ("stop", False) in cart.port.calls, "drive on")


def test_a_slider_is_in_step_with_the_node(cart: Stage) -> None:
    browser = cart.browser()
    cart.run()
    known = cart.port.parameters["spc"]
    assert known is not None
    known["noise"] = 0.7
    browser.until(lambda: browser.of("noise")["value"] == 0.7, "the value that the node has")
    known["noise"] = 9.0  # beyond the slider's end
    browser.until(lambda: browser.of("noise")["value"] == 9.0 and browser.of("noise")["max"] == 9.0, "a longer slider")
    browser.set("noise", 0.4)
    browser.until(lambda: cart.port.calls == [("spc", "noise", 0.4)], "the question")
    browser.set("samples", 24)
    browser.until(lambda: cart.port.calls[-1] == ("spc", "samples", 24), "a whole number")
    assert isinstance(cart.port.calls[-1][2], int)
    browser.set("stuck", True)
    browser.until(lambda: cart.port.calls[-1] == ("simulator", "faults.stuck", True), "a fault")


def test_a_refused_slider_says_why_and_goes_back(cart: Stage) -> None:
    browser = cart.browser()
    cart.refresh(20)
    before = browser.of("temperature")["value"]
    cart.port.refusal = "spc: temperature = 7: too hot"
    browser.set("temperature", 0.33)
    browser.until(lambda: browser.notices == ["temperature stays: spc: temperature = 7: too hot"], "a notice")
    control = next(c for c in cart.page._controls if c._setting.name == "temperature")
    browser.until(lambda: control._handle.value == before, "the slider to go back")


def test_the_simulation_is_paused_stepped_and_reset(cart: Stage) -> None:
    browser = cart.browser()
    for button, asked in (("pause", PAUSE), ("step", STEP), ("go on", RESUME), ("reset", RESET)):
        browser.until(lambda b=button: b in browser.of("Time")["options"], f"the button {button}")
        browser.set("Time", button)
        browser.until(lambda a=asked: (a,) in cart.port.calls, asked)
    browser.until(lambda: "step" not in browser.of("Time")["options"], "the single step to go")
    cart.port.refusal = "not now"
    browser.set("Time", "pause")
    browser.until(lambda: browser.notices == ["pause refused: not now"], "a notice")
    assert "pause" in browser.of("Time")["options"]


@pytest.mark.parametrize(("side", "sign"), [("← left", -1), ("right →", 1)])
def test_the_robot_is_pushed_as_seen_from_the_camera(cart: Stage, side: str, sign: int) -> None:
    browser = cart.browser()
    browser.set("Body", "pole")
    browser.set("Push [N]", 4.0)
    browser.until(lambda: cart.page._plant._force.value == 4.0 and cart.page._plant._body.value == "pole", "the slider")
    browser.set("Direction", side)
    ((_, push),) = browser.until(lambda: cart.port.calls, "the push")
    assert push.body == "pole"
    assert push.force == pytest.approx([4.0 * sign, 0.0, 0.0])
    assert not push.torque.any()


@pytest.mark.parametrize("angle", [0.0, 0.7, math.pi])
def test_the_right_of_a_camera_is_level_and_of_length_one(angle: float) -> None:
    turned = to_the_right(np.array([math.cos(angle / 2), 0.0, 0.0, math.sin(angle / 2)]))
    assert turned == pytest.approx([math.cos(angle), math.sin(angle), 0.0], abs=1e-12)
    up = to_the_right(np.array([math.sqrt(0.5), 0.0, math.sqrt(0.5), 0.0]))
    assert np.linalg.norm(up) == pytest.approx(1.0)


def test_of_a_real_robot_there_is_nothing_to_pause_or_push(cart: Stage) -> None:
    browser = cart.browser()
    cart.port.parameters["simulator"] = None
    cart.run()
    for folder in ("Simulation", "Noise, delays, faults"):
        browser.until(lambda f=folder: not browser.of(f)["visible"], f"{folder} to go")
    cart.port.parameters["simulator"] = {}
    browser.until(lambda: browser.of("Simulation")["visible"], "the simulator to come back")


def test_controls_of_a_node_that_is_not_there_cannot_be_moved(cart: Stage) -> None:
    browser = cart.browser()
    cart.run()
    browser.until(lambda: not browser.of("warm start")["disabled"], "the slider")
    cart.port.parameters["policy_server"] = None
    browser.until(lambda: browser.of("warm start")["disabled"], "the slider to be disabled")


def test_the_goal_is_moved_by_the_mouse_and_by_others(stage: Callable[[str], Stage]) -> None:
    particle = stage("particle")
    browser = particle.browser()
    particle.at([0.0, 0.0], goal=np.array([0.1, -0.2]))
    particle.refresh()
    browser.until(lambda: browser.scene["/world/goal"].get("position", [0])[0] == 0.1, "the goal")
    for x in (0.11, 0.12, 0.13):
        drag(browser, (x, 0.05, 3.0))
    browser.until(lambda: particle.page._scene._goal._handle.position[0] == 0.13, "the mouse")
    particle.refresh()
    ((_, goal),) = particle.port.calls  # of several moves the last
    assert goal == pytest.approx([0.13, 0.05])


@pytest.mark.parametrize("yaw", [0.0, 1.0, -2.5])
def test_a_goal_that_has_a_direction_is_turned(stage: Callable[[str], Stage], yaw: float) -> None:
    push_t = stage("push_t")
    browser = push_t.browser()
    push_t.at(list(push_t.task.model.qpos0), goal=np.array([0.01, 0.02, yaw]))
    push_t.refresh()
    browser.until(lambda: browser.scene["/world/goal"].get("position", [0])[0] == 0.01, "the goal")
    w, _, _, z = browser.scene["/world/goal"].get("wxyz", (1.0, 0.0, 0.0, 0.0))
    assert 2 * math.atan2(z, w) == pytest.approx(yaw)
    drag(browser, (0.05, -0.05, 0.5), turn=yaw + 0.1)
    goal = push_t.page._scene._goal
    browser.until(lambda: (wanted := goal._wanted) is not None and wanted[0] == 0.05, "the mouse")
    push_t.refresh()
    assert push_t.port.calls[-1][1] == pytest.approx([0.05, -0.05, yaw + 0.1])


def test_a_goal_that_is_no_place_has_sliders(stage: Callable[[str], Stage]) -> None:
    walker = stage("walker")
    browser = walker.browser()
    walker.at(list(walker.task.model.qpos0), goal=np.array([7.0]))  # faster than the slider goes
    walker.refresh()
    browser.until(lambda: browser.of("Goal: speed")["value"] == 7.0, "the goal")
    assert browser.of("Goal: speed")["max"] == 7.0
    assert "/world/goal" not in browser.scene
    browser.set("Goal: speed", -1.0)
    browser.until(lambda: walker.page._scene._goal._wanted is not None, "the slider")
    walker.refresh()
    assert walker.port.calls[-1][1] == pytest.approx([-1.0])


def drag(browser: Browser, position: tuple[float, float, float], turn: float = 0.0) -> None:
    wxyz = (math.cos(turn / 2), 0.0, 0.0, math.sin(turn / 2))
    browser.send(messages.TransformControlsDragStartMessage("/world/goal"))
    browser.send(messages.TransformControlsUpdateMessage("/world/goal", wxyz, position))
    browser.send(messages.TransformControlsDragEndMessage("/world/goal"))


def test_a_task_without_a_goal_has_no_handle(cart: Stage) -> None:
    browser = cart.browser()
    browser.uuid("Planner")
    assert "/world/goal" not in browser.scene


def test_words_from_the_wire_cannot_become_markup(cart: Stage) -> None:
    browser = cart.browser()
    health = {"controller": {"reason": "<script>alert(1)</script> ![x](http://evil.example/y) |\n# z"}}
    cart.port.now = replace(cart.port.now, health=health, driver="*[x](y)")
    cart.refresh()
    browser.until(lambda: "drives" in headline(browser), "the headline")
    shown = headline(browser)
    assert not any(sign in shown for sign in ("<script", "![", "](", "\n#"))


def test_plots_are_sent_less_often_than_pictures(cart: Stage) -> None:
    browser = cart.browser()
    drawn: list[float] = []
    cart.page._plots.draw = lambda: drawn.append(cart._now_ns)
    for tick in range(1, 101):
        cart.at([0.01 * tick, 0.0], tick)
        cart.refresh()
    assert len(drawn) <= 10 * 100 * FRAME_NS / NS_PER_S
    assert len(drawn) > 20
    browser.until(lambda: browser.scene["/world/robot/body 1"].get("position", [0])[0] == 1.0, "the robot")
