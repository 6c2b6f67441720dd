"""The driver of docs/your_robot.md: measurements on the grid of the loop; a motor that fresh commands move."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import outside
import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("sensor_msgs.msg", reason="needs the ROS package sensor_msgs")
from gpc_ros import registry
from gpc_ros.nodes.codec import Codec
from gpc_ros.signals import Command, Measurement
from gpc_ros.tasks.base import Task

pytestmark = pytest.mark.ros
PERIOD = 2_000_000
ROOT = outside.FURUTA.parents[2]
START = "from furuta_robot.driver import main; main()"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    found = outside.install(outside.FURUTA, tmp_path)
    with outside.visible(found):
        yield found


@pytest.fixture
def running(site: Path, domain: int) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{site}"}
    process = subprocess.Popen([sys.executable, "-c", START], env=environment, stderr=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def test_it_measures_and_moves(site: Path, peer: Any, running: subprocess.Popen[str]) -> None:
    task: Task = registry.load("tasks", "furuta", Task)()
    codec = Codec(task.model)
    peer.hear("joint_states")

    def measured() -> list[Measurement]:
        return [codec.decode_measurement(data) for data in peer.heard["joint_states"]]

    peer.until(lambda: len(measured()) > 20, "measurements")
    stamps = np.array([each.stamp_ns for each in measured()])
    assert (stamps % PERIOD == 0).all()
    assert (np.diff(stamps) > 0).all()
    assert not any(each.readings["position"].any() for each in measured())  # without a command it hangs

    def turned() -> bool:
        peer.say("command", codec.encode_command(Command(measured()[-1].stamp_ns, np.array([0.5]))))
        return bool(measured()[-1].readings["position"][0] > 0.1)

    peer.until(turned, "the arm to turn")
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 0


@pytest.mark.parametrize(("age_s", "expected"), [(0.0, 0.5), (1.0, 0.0)])
def test_an_old_command_is_none(site: Path, age_s: float, expected: float) -> None:
    from furuta_robot.driver import Driver

    written: list[float] = []
    heard_ns = time.monotonic_ns() - round(1e9 * age_s)
    Driver.act(SimpleNamespace(effort=0.5, heard_ns=heard_ns, hardware=SimpleNamespace(write=written.append)))
    assert written == [expected]
