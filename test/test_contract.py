"""Every slip in a robot is one line that says what is wrong; the robots that are here make none."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpc_ros import config, contract, registry
from gpc_ros.cli.main import main
from gpc_ros.errors import GpcError, UnknownName
from gpc_ros.tasks.base import Start, States, Task
from gpc_ros.tasks.pendulum import Pendulum
from gpc_ros.tasks.push_t import PushT

XML = """
<mujoco>
  <option timestep="0.02"/>
  <worldbody>
    <body name="link"><joint name="hinge"/><geom size="0.1"/></body>
  </worldbody>
  <actuator><motor name="motor" joint="hinge" ctrlrange="-1 1" ctrllimited="true"/></actuator>
  <keyframe><key name="hanging" qpos="0"/></keyframe>
</mujoco>
"""


def one(task: Task) -> str:
    (complaint,) = contract.complaints(task)
    assert "\n" not in complaint
    return complaint


def spoiled(base: type[Task] = Pendulum, **changes: Any) -> Task:
    return type(f"Spoiled{base.__name__}", (base,), {"__module__": base.__module__, **changes})()


@pytest.mark.parametrize("robot", registry.names("tasks"))
def test_the_robots_keep_it(robot: str) -> None:
    assert contract.check(robot).name == robot


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"goal": (0.0, 0.0), "goal_names": ("x", "x")}, "goal_names ('x', 'x') must name each of the 2"),
        ({"running_weights": {**Pendulum.running_weights, "upright": -1.0}}, "running_weights: upright = -1.0"),
        ({"running_weights": {"uprigth": 1.0}}, "the terms upright, velocity, control, running_weights uprigth"),
        ({"terminal_weights": {}}, "terminal_residuals() has the terms upright, velocity, terminal_weights none"),
        ({"named_start": "standing"}, "no keyframe 'standing', only ['home', 'hanging', 'upright']"),
    ],
)
def test_settings(changes: dict[str, Any], words: str) -> None:
    assert words in one(spoiled(**changes))


def test_settings_that_are_not_there() -> None:
    bare = {name: value for name, value in vars(Pendulum).items() if callable(value)}
    task = type("Bare", (Task,), bare)()
    assert list(contract.complaints(task)) == [
        f"{name} is not set" for name in ("running_weights", "terminal_weights", "named_start")
    ]


def angle(states: States) -> np.ndarray:
    return states.qpos[..., 0]


def residuals(upright: Any) -> Any:
    return lambda self, states, goal: {"upright": upright(states), "velocity": (states.qvel[..., 0],)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"observe": lambda self, states, goal: angle(states)}, "observe(): shape () for one state, must"),
        (
            {"observe": lambda self, states, goal: np.hstack([states.qpos, states.qvel])},
            "observe(): shape (2, 2, 4, 1) for states of shape (2, 1, 4), must be (2, 1, 4, ny)",
        ),
        (
            {"observe": lambda self, states, goal: np.append(np.cos(angle(states)), states.qvel)},
            "observe(): shape (6,) for states of shape (3,), must be (3, ny)",
        ),
        ({"at_goal": lambda self, states, goal: angle(states)}, "at_goal() must be bool, is float64"),
        (
            {"at_goal": lambda self, states, goal: np.all(np.abs(states.qpos) < 1)},
            "at_goal(): shape () for states of shape (3,), must be (3,)",
        ),
        ({"at_goal": lambda self, states, goal: ~(np.abs(angle(states)) > 9)}, "where the state is not a number"),
        ({"terminal_residuals": residuals(angle)}, "upright must be a tuple of components, as (x,)"),
        ({"terminal_residuals": residuals(lambda states: (1.0,))}, "upright: shape () for states of shape (3,)"),
        (
            {"observe": lambda self, states, goal: states.qpos - np.mean(states.qpos)},
            "observe() of a state must not depend on the others",
        ),
        ({"observe": lambda self, states, goal: 0.0 * states.qpos / 0.0}, "observe() of a start is not finite"),
        ({"mirror": lambda self: (np.eye(2), np.eye(1))}, "mirror() gives matrices of shapes ((2, 2), (1, 1))"),
        (
            {"reset": lambda self, rng: Start(np.zeros(2), np.zeros(1), np.empty(0))},
            "reset() gives a qpos of shape (2,), must be (1,)",
        ),
        (
            {"reset": lambda self, rng: Start(np.zeros(1), np.full(1, np.nan), np.empty(0))},
            "reset() gives a qvel that is not finite",
        ),
        (
            {"reset": lambda self, rng: Start(np.random.default_rng().random(1), np.zeros(1), np.empty(0))},
            "reset() must draw its qpos from the generator that it is given",
        ),
        ({"reset": lambda self, rng: None}, "reset() gives a qpos of shape (), must be (1,)"),
    ],
)
def test_methods(changes: dict[str, Any], words: str) -> None:
    found = list(contract.complaints(spoiled(**changes)))
    assert words in found[0]
    assert "\n" not in "".join(found)


def test_a_goal_that_is_read_for_one_candidate_alone() -> None:
    def observe(self: PushT, states: States, goal: np.ndarray) -> np.ndarray:
        return np.concatenate([states.qpos - 0.0 * float(goal[0]), states.qvel], axis=-1)

    assert "observe() raises TypeError" in one(spoiled(PushT, observe=observe))


def test_an_error_in_its_code_tells_the_place() -> None:
    def reset(self: Pendulum, rng: np.random.Generator) -> Start:
        return Start(np.zeros(1), {}["velocity"], np.empty(0))

    task = spoiled(reset=reset)
    assert one(task) == f"reset() raises KeyError: 'velocity' ({__file__}:{reset.__code__.co_firstlineno + 1})"


def test_states_are_not_to_be_written() -> None:
    def observe(self: Pendulum, states: States, goal: np.ndarray) -> np.ndarray:
        states.qpos[..., 0] += 1.0
        return states.qpos

    assert "observe() raises ValueError: output array is read-only" in one(spoiled(observe=observe))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('timestep="0.02"', 'timestep="0.0033333333"', "timestep 0.0033333333 must be a whole number of nanoseconds"),
        ('name="hinge"', 'name="hinge" damping="0.1"', None),
        ('<motor name="motor"', "<motor", "every actuator needs a name"),
        ("<geom size", '<joint axis="1 0 0"/><geom size', "joint 1 on body 'link' has no name"),
        ("<motor ", '<general dyntype="integrator" ', "actuators with an activation state"),
    ],
)
def test_model(tmp_path: Path, old: str, new: str, words: str | None) -> None:
    file = tmp_path / "scene.xml"
    assert old in XML
    text = XML.replace(old, new)
    file.write_text(text.replace('qpos="0"', 'qpos="0 0"') if "<joint" in new else text)
    found = list(contract.complaints(spoiled(model_file=file)))
    assert len(found) == (words is not None)
    assert words is None or (str(file) in found[0] and words in found[0])


@pytest.fixture
def parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A parameter file in place of the pendulum's."""
    file = tmp_path / "pendulum.yaml"
    monkeypatch.setattr(config, "file_of", lambda robot: file)
    return file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/**/spcc: {ros__parameters: {}}", "unknown node 'spcc'. Did you mean 'spc'?"),
        ("/**/spc: {ros__parameters: {robot: cart_pole}}", "the robot of spc must be pendulum, is cart_pole"),
        ("/**/spc: {samples: 3}", "'/**/spc' must hold 'ros__parameters' and nothing else"),
        ("/**/spc: [", "not valid YAML"),
    ],
)
def test_parameter_file(parameters: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    parameters.write_text(text)
    assert main(["check", "pendulum"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"gpc: {parameters}: ")
    assert words in line


def test_what_is_in_the_sections_is_checked_too(parameters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parameters.write_text("/**/spc: {ros__parameters: {sample: 3}}")
    assert main(["check", "pendulum"]) == 2
    assert "unknown parameter of spc 'sample'. Did you mean 'samples'?" in capsys.readouterr().err


def test_a_robot_that_is_right_is_told_of(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["check", "cart_pole"]) == 0
    out = capsys.readouterr().out
    for words in ("gpc_ros.tasks.cart_pole:CartPole", "slider, hinge", "10 ms", "hanging", "policy.onnx"):
        assert words in out
    assert "cart_pole keeps what the stack needs" in out


def test_an_unknown_robot() -> None:
    with pytest.raises(UnknownName, match="unknown robot 'elbow'"):
        contract.check("elbow")


def test_a_constructor_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Task) -> None:
        raise RuntimeError("no bus")

    kind = type("Broken", (Pendulum,), {"__init__": broken})
    monkeypatch.setattr(contract, "registry", types.SimpleNamespace(load=lambda *_: kind))
    with pytest.raises(GpcError, match=r"pendulum: Broken\(\) raises RuntimeError: no bus \(.*test_contract"):
        contract.check("pendulum")
