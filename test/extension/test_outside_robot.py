"""A robot of another package is a robot like any other: listed, checked, evaluated, trained, shipped, driven."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import outside
import pytest
from domains import new_domain

from gpc_ros import config, contract, evaluation, registry, spec
from gpc_ros.cli.main import main
from gpc_ros.control.policy import shipped
from gpc_ros.node_parameters import SpcNodeParameters
from gpc_ros.tasks.base import Task

ROOT = outside.FURUTA.parents[2]
PATIENCE_S = 300.0  # a guard against hanging; nothing is measured with it
Say = Callable[..., str]


@pytest.fixture
def gpc(furuta: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Runs a command that must succeed; what it prints."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> str:
        code = main(list(arguments))
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out

    return call


def test_what_is_installed_is_complete(site: Path) -> None:
    def names(folder: Path) -> set[str]:
        found = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
        return {str(file) for file in found if "__pycache__" not in file.parts}

    assert names(site / "furuta_robot") == names(outside.FURUTA / "furuta_robot")


def test_it_is_a_robot_while_it_is_installed(furuta: Path) -> None:
    assert "furuta" in registry.names("tasks")
    assert "furuta" in config.robots()
    task = contract.check("furuta")
    home = furuta / "furuta_robot"
    assert task.model_file == home / "models" / "furuta" / "scene.xml"
    assert spec.parameters_file("furuta") == str(home / "config" / "furuta.yaml")
    parameters = config.load("furuta", "spc", SpcNodeParameters)
    assert (parameters.robot, parameters.samples, parameters.horizon_s) == ("furuta", 24, 0.7)


def test_it_is_none_afterwards() -> None:
    assert "furuta" not in registry.names("tasks")
    assert "furuta" not in config.robots()


def test_the_others_stay_where_they_are(furuta: Path) -> None:
    for robot in ("cart_pole", "pendulum"):
        task: Task = registry.load("tasks", robot, Task)()
        assert task.model_file.parents[2] == config.file_of(robot).parents[1] == ROOT


def test_it_is_listed_and_checked(gpc: Say) -> None:
    (row,) = [line for line in gpc("list").splitlines() if "furuta" in line]
    assert "Swing-up of a pole" in row
    assert "furuta_robot.furuta:Furuta" in gpc("check", "furuta")


def test_left_and_right_are_alike(furuta: Path) -> None:
    task: Task = registry.load("tasks", "furuta", Task)()
    turned, reversed_ = task.mirror()
    np.testing.assert_array_equal(turned @ turned, np.eye(5))
    np.testing.assert_array_equal(reversed_ @ reversed_, np.eye(1))


def test_it_swings_up(gpc: Say, tmp_path: Path) -> None:
    """From hanging to standing, and a second of that, by sampling alone."""
    file = tmp_path / "eval.json"
    gpc("eval", "furuta", "--starts", "0", "--duration", "4", "--rate", "250", "--jobs", "1", "--json", str(file))
    assert json.loads(file.read_text())["named_start"]["success"]


def test_its_policy_is_trained_and_ships_in_its_package(
    gpc: Say, furuta: Path, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    assert "fits furuta" in gpc("check", str(policy))
    monkeypatch.setattr(registry.load("tasks", "furuta", Task), "episode_s", 0.1)
    home = furuta / "furuta_robot" / "models" / "furuta"
    try:
        gpc(*f"card furuta --run {policy.parent} --starts 2 --paired-starts 2 --jobs 1".split())
        assert shipped("furuta") == home / "policy.onnx"
        assert shipped("furuta").read_bytes() == policy.read_bytes()
        assert "gpc eval furuta" in (home / "policy.md").read_text()
        assert any("policy " in line and "furuta" in line for line in gpc("list").splitlines())
        overrides = {"controller": {"planner": "policy"}}
        assert evaluation.run_start(evaluation.Setting("furuta", overrides=overrides), evaluation.NAMED)["digest"]
    finally:
        for name in ("policy.onnx", "policy.md", "training.png"):
            (home / name).unlink(missing_ok=True)


@pytest.mark.ros
@pytest.mark.slow
def test_the_stack_drives_it_with_its_policy(furuta: Path, policy: Path, tmp_path: Path) -> None:
    pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
    pytest.importorskip("sensor_msgs.msg", reason="needs the ROS package sensor_msgs")
    options = f"--planner policy --policy {policy} --composed --lockstep --duration 0.4 --no-web --no-monitor"
    command = f"-m gpc_ros.cli.main up furuta {options} --json up.json"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{furuta}", "ROS_DOMAIN_ID": str(new_domain())}
    for name in ("ROS_STATIC_PEERS", "ROS_SECURITY_ENABLE"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, *command.split()],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "up.json").read_text())
    overrides = {"controller": {"planner": "policy"}, "policy_server": {"model_file": str(policy)}}
    setting = evaluation.Setting("furuta", duration_s=0.4, overrides=overrides)
    assert (found["robot"], found["planner"], found["ticks"]) == ("furuta", "policy", 200)
    assert found["digest"] == evaluation.run_start(setting, evaluation.NAMED)["digest"]
