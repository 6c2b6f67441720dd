"""A run in lock-step, recorded by the recorder itself, in which planners were swapped: made again, it is the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import policies
import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("mcap", reason="needs mcap")
from rig import Peer, Rig
from stacks import Stack

from gpc_ros.cli.main import main
from gpc_ros.nodes.recorder import Recorder
from gpc_ros.recording.reader import Recording

pytestmark = [pytest.mark.ros, pytest.mark.slow]
SWAPS = ("policy", "spc", "seeded_spc", "policy", "seeded_spc", "spc")


@pytest.fixture
def tape(start: Callable[..., Rig], peer: Peer, tmp_path: Path) -> Path:
    recorder = start(Recorder, folder=str(tmp_path), niceness=0, lockstep="true")
    stack = Stack(start, peer, policies.balancing(tmp_path / "balancing.onnx"))
    file: Path = recorder.shell.file.path
    told = {node.shell.name for node in stack.nodes}

    services = stack.simulator.shell.services
    services._paused = True  # a busy machine is to have time for what else there is
    peer.until(lambda: recorder.shell.survey.known == told, "all parameters")
    services._paused = False
    for planner in SWAPS:
        assert stack.set("controller", "planner", planner).successful
        stack.run(30)
    services._paused = True
    ticks = stack.ticks
    peer.until(lambda: len(list(Recording(file).messages({"command"}))) >= ticks, "all commands in the file")
    assert recorder.shell.summary()["lost"] == recorder.shell.summary()["dropped"] == 0
    recorder.shell.tape.close()
    return file


def test_every_result_is_equal_bit_for_bit(tape: Path) -> None:
    wishes = [message.data for message in Recording(tape).messages({"controller/wanted"})]
    assert len(wishes) > len(SWAPS)
    for what in ("estimator", "spc", "policy", "seeded_spc"):
        out = tape.with_suffix(f".{what}.json")
        assert main(["rerun", str(tape), what, "--json", str(out)]) == 0
        found = json.loads(out.read_text())
        assert found["compared"] > 5
        assert found["equal"] == found["compared"], found
