"""``gpc plot``: a picture of a recording, also where there is no ROS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mcap", reason="needs mcap")
pytest.importorskip("matplotlib", reason="needs matplotlib")
pytest.importorskip("sensor_msgs.msg", reason="needs the ROS package sensor_msgs")
import tapes

from gpc_ros.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
PNG = b"\x89PNG\r\n\x1a\n"
WITHOUT_ROS = """
import sys
for name in ("rclpy", "sensor_msgs", "builtin_interfaces", "std_msgs"):
    sys.modules[name] = None
from gpc_ros.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    topics = ("joint_states", "state_estimate")
    rows = [(topic, tick * 2 * tapes.MS, tapes.state(tick)) for tick in range(20) for topic in topics]
    return tapes.write(tmp_path_factory.mktemp("plot") / "a.mcap", rows)


def test_the_picture_lies_beside_the_recording_and_needs_no_ros(file: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_ROS, "plot", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    picture = file.with_suffix(".png")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{picture}\n", "")
    assert picture.read_bytes().startswith(PNG)


def test_what_cannot_be_drawn_is_one_line(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tapes.write(tmp_path / "unnamed.mcap", [("joint_states", 0, tapes.state(0))], robot="")
    tapes.write(tmp_path / "words.mcap", [("controller/active", 0, tapes.text("spc"))])
    for arguments, words in (
        ([tmp_path / "none.mcap"], f"{tmp_path}/none.mcap: No such file or directory"),
        ([tmp_path / "unnamed.mcap"], f"{tmp_path}/unnamed.mcap: does not say which robot it is of: add --robot ROBOT"),
        ([tmp_path / "words.mcap"], f"{tmp_path}/words.mcap: nothing to draw, only /controller/active"),
        ([file, "--robot", "particle"], "recorded are slider, hinge, not "),
        ([file, "--robot", "elbow"], "unknown robot 'elbow'"),
        ([file, "--out", tmp_path / "no" / "a.png"], f"{tmp_path}/no/a.png: "),
    ):
        assert main(["plot", *map(str, arguments)]) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"gpc: {words}")
        assert told.count("\n") == 1


def test_what_is_missing_or_not_understood_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("joint_states", tick, tapes.state(tick)) for tick in range(40)] + [("command", 50, b"nonsense")]
    whole = tapes.write(tmp_path / "whole.mcap", rows, flush_every=10)
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 5])
    for file, words in ((cut, f"{cut}: cut off; "), (whole, f"{whole}: not understood: command: 1\n")):
        assert main(["plot", str(file), "--out", str(tmp_path / "a.png")]) == 0
        assert words in capsys.readouterr().err
        assert (tmp_path / "a.png").read_bytes().startswith(PNG)
