"""The page in a real browser, headless, on a whole stack in lock-step: seen, and driven by the mouse.

GPC_ROS_SCREENSHOTS names a folder for the screenshot, which is otherwise left with the test's other files.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("viser", reason="needs viser")
pytest.importorskip("selenium", reason="needs selenium")
from rig import Peer, Rig
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from gpc_ros.nodes.controller import Controller
from gpc_ros.nodes.estimator import Estimator
from gpc_ros.nodes.simulator import Simulator
from gpc_ros.nodes.spc import Spc
from gpc_ros.nodes.web import Web

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.ros,
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver"),
]
PATIENCE_S = 120.0
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1000,700",
)


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_script_timeout(PATIENCE_S)
    yield driver
    driver.quit()


def until(condition: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.1)
    return value


def body_position(driver: Any) -> Any:
    """Where the scene in the browser has the cart, once it has it."""
    return driver.execute_script(
        """const pose = window.__viserMutable?.nodePoseData?.['/world/robot/body 1'];
           return pose ? pose.position : null"""
    )


def drop_down(driver: Any, label: str) -> Any:
    """The input beside ``label``."""
    path = f"//label[contains(., '{label}')]/following::input[1]"
    return until(lambda: next(iter(driver.find_elements(By.XPATH, path)), None), f"the list '{label}'")


def choose(driver: Any, label: str, option: str) -> None:
    """Click the list ``label`` and then ``option``."""
    path = f"//*[@role='option'][contains(., '{option}')]"

    def clicked() -> bool:
        box = drop_down(driver, label)
        driver.execute_script("arguments[0].click()", box)
        shown = [found for found in driver.find_elements(By.XPATH, path) if found.is_displayed()]
        for found in shown[:1]:
            driver.execute_script("arguments[0].click()", found)
        return bool(shown)

    until(clicked, f"the option '{option}'")


def taken(driver: Any, picture: Path) -> bool:
    """Whether there is a screenshot now: a browser that paints without a GPU may take longer than it is given."""
    with contextlib.suppress(WebDriverException):
        return driver.save_screenshot(str(picture))
    return False


def asked_of(driver: Any) -> set[str]:
    """Every address that the page has asked for anything."""
    found = set()
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found.add(message["params"]["request"]["url"])
        elif message["method"] == "Network.webSocketCreated":
            found.add(message["params"]["url"])
    return {url for url in found if url.split(":")[0] in ("http", "https", "ws", "wss")}


def test_the_page_is_seen_and_swaps_the_planner(
    start: Callable[..., Rig], peer: Peer, chromium: Any, tmp_path: Path
) -> None:
    stack = {shell: start(shell, robot="cart_pole", lockstep="true") for shell in (Simulator, Estimator, Spc)}
    controller = start(Controller, robot="cart_pole", lockstep="true", planner="spc")
    web = start(Web, robot="cart_pole", lockstep="true", port=18_800)
    until(lambda: stack[Simulator].shell.pacing.ticks > 0, "the stack to run")

    address = web.shell.server.address
    chromium.get(f"{address}/?fixedDpr=0.4")
    first = until(lambda: body_position(chromium), "the robot on the page")
    until(lambda: body_position(chromium) != first, "the robot to move")
    until(lambda: drop_down(chromium, "Planner").get_attribute("value") == "spc", "the planner that drives")

    peer.hear("controller/active", raw=False)
    choose(chromium, "Planner", "hold")
    told = peer.heard["controller/active"]
    peer.until(lambda: told and told[-1].data == "hold", "the controller to say that hold drives")
    assert controller.shell.executive.active == "hold"
    until(lambda: drop_down(chromium, "Planner").get_attribute("value") == "hold", "the page to say so")

    picture = Path(os.environ.get("GPC_ROS_SCREENSHOTS", tmp_path)) / "web_page.png"
    until(lambda: taken(chromium, picture), "a screenshot")
    assert picture.read_bytes().startswith(b"\x89PNG")
    host = address.removeprefix("http://")
    assert {url.split("/")[2] for url in asked_of(chromium)} == {host}  # nothing is fetched from anywhere else
    assert not any(node.loop.counts for node in (*stack.values(), controller, web))
