"""``gpc train --ray``: what it hands to the cluster, and what it refuses. Ray itself is not needed here."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from gpc_ros.cli.main import main
from gpc_ros.learning.teacher import Teacher
from gpc_ros.tasks.pendulum import Pendulum

MODULE = "gpc_ros.learning.ray_teacher"
SETTINGS = (
    "environments=2", "episode_s=0.12", "plan_rate_hz=25", "horizon_s=0.3", "knots=3", "samples=2", "policy_samples=1",
    "iterations=1", "gradient_steps=8", "batch=8", "network={hidden: [8]}", "flow_steps=2", "validation_starts=1",
)  # fmt: skip


class Cluster:
    """Records what becomes of it."""

    made: Any = None

    def __init__(self, *given: Any, say: Any, **named: Any) -> None:
        Cluster.made = self
        self.given, self.count, self.closed, self.teachers = (*given, named), 3, 0, 0
        say("a line about workers")

    def teacher(self, *given: Any, **named: Any) -> Teacher:
        self.teachers += 1
        return Teacher(*given, **named)

    def close(self) -> None:
        self.closed += 1


def train(folder: Path, *options: str) -> int:
    settings = [word for setting in SETTINGS for word in ("-p", f"train.{setting}")]
    return main(["train", "pendulum", "--out", str(folder), *settings, *options])


def test_data_are_collected_by_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Pendulum, "episode_s", 0.1)
    monkeypatch.setitem(sys.modules, MODULE, SimpleNamespace(Cluster=Cluster))
    assert train(tmp_path / "a", "--ray", "host:6379", "--ray-workers", "3") == 0
    made = Cluster.made
    assert made.given == ("host:6379", "pendulum", {"workers": 3})
    assert (made.teachers, made.closed) == (1, 1)
    out = capsys.readouterr().out
    assert "a line about workers\nRay at host:6379: data by 3 worker(s)\n" in out
    assert train(tmp_path / "b", "--ray", "auto", "-p", "train.knots=nonsense") == 2
    assert Cluster.made.given == ("auto", "pendulum", {"workers": None})
    assert Cluster.made.closed == 1


def test_a_missing_package_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    assert train(tmp_path, "--ray", "local") == 2
    assert capsys.readouterr().err == "gpc: --ray needs ray: python3 -m pip install 'gpc_ros[ray]'\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--ray-workers", "2"), "--ray-workers 2: goes with --ray ADDRESS"),
        (("--ray", "auto", "--ray-workers", "0"), "0 must be a whole number of at least 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, *options) == 2
    assert told in capsys.readouterr().err


def test_a_refinement_collects_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--from-log", str(tmp_path), "--from", str(tmp_path / "a"), "--out", str(tmp_path / "b")]
    assert main(["train", "pendulum", "--ray", "auto", *words]) == 2
    assert "gpc: --ray: a refinement learns from the plans in --from-log and collects none" in capsys.readouterr().err
