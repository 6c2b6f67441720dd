"""What can be wrong with another package: one line that says what, and everything else goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import outside
import pytest

from gpc_ros import registry
from gpc_ros.cli.main import main

GOOD = {f"bot/{file}": (outside.FURUTA / "furuta_robot" / file).read_text() for file in (
    "__init__.py", "furuta.py", "config/furuta.yaml", "models/furuta/scene.xml",
)}  # fmt: skip
TASK, MODEL, PARAMETERS = "bot/furuta.py", "bot/models/furuta/scene.xml", "bot/config/furuta.yaml"
POINT = "furuta = bot.furuta:Furuta"

Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Refused]:
    """The line that a command ends with, in the presence of a package of these files and entry points."""

    def call(files: dict[str, str], *points: str, command: str = "check") -> str:
        site = outside.declare(tmp_path, files, *(points or (POINT,)))
        with outside.visible(site):
            assert main([command, "furuta"]) == 2
            said = capsys.readouterr()
            assert said.out == ""
            (line,) = said.err.splitlines()
        return line.replace(str(site), "SITE")

    yield call
    assert "furuta" not in registry.names("tasks")


def but(file: str, old: str, new: str) -> dict[str, str]:
    """The package, with one thing changed."""
    assert old in GOOD[file]
    return {**GOOD, file: GOOD[file].replace(old, new)}


def without(file: str) -> dict[str, str]:
    return {name: text for name, text in GOOD.items() if name != file}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (without(PARAMETERS), "furuta has no parameter file: SITE/bot/config/furuta.yaml"),
        (without(MODEL), "furuta/scene.xml: "),
        (without(TASK), f"entry point '{POINT}' cannot be loaded: No module named 'bot.furuta'"),
        (but(TASK, "class Furuta(Task):", "class Furuta:"), f"entry point '{POINT}' is no subclass of Task"),
        (but(TASK, "class Furuta", "class Other"), f"entry point '{POINT}' cannot be loaded: module 'bot.furuta'"),
        (but(TASK, "def observe", "def see"), f"entry point '{POINT}' lacks observe"),
        (but(TASK, "(self, rng):", "(self, rng)"), f"entry point '{POINT}' cannot be loaded: SyntaxError: "),
        ({**GOOD, "bot/__init__.py": "1 / 0"}, f"entry point '{POINT}' cannot be loaded: ZeroDivisionError: "),
        (but(TASK, '"control": (ctrl', '"contrl": (ctrl'), "furuta: running_residuals() has the terms upright, "),
        (but(TASK, "np.stack", "np.hstack"), "furuta: observe() raises TypeError: hstack() "),
        (but(TASK, "states.qvel), axis=-1)", "states.qvel), axis=0)"), "furuta: observe()"),
        (but(TASK, ", np.empty(0))", ", 0.0)"), "furuta: reset() gives a goal of shape (), must be (0,)"),
        (but(TASK, "-1.0, -1.0))", "-1.0))"), "furuta: mirror() gives matrices of shapes ((4, 4), (1, 1)), must"),
        (but(TASK, '"hanging"', '"upright"'), "furuta/scene.xml: no keyframe 'upright', only ['hanging']"),
        (but(MODEL, 'name="motor" axis', "axis"), "furuta/scene.xml: Error: unknown transmission target 'motor'"),
        (but(MODEL, 'ctrllimited="true"', 'ctrllimited="false"'), "needs a ctrlrange, ['motor'] have none"),
        (but(PARAMETERS, "/**/spc", "/**/planner"), "config/furuta.yaml: unknown node 'planner'. Valid:"),
        (but(PARAMETERS, "samples: 24", "sample: 24"), "config/furuta.yaml: unknown parameter of spc 'sample'."),
    ],
)  # fmt: skip
def test_a_slip(refused: Refused, files: dict[str, str], expected: str) -> None:
    line = refused(files)
    assert line.startswith("gpc: ")
    assert expected in line


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (["furuta = bot.furuta.Furuta"], "cannot be loaded: No module named 'bot.furuta.Furuta'"),
        (["furuta = bot:furuta"], "cannot be loaded: module 'bot' has no attribute 'furuta'"),
        (["furuta = bot.rotary:Furuta"], "the robot's module must be called 'furuta'"),
        ([POINT, "furuta = bot.rotary:Furuta"], "robot 'furuta' is offered more than once, also by bot.furuta:Furuta"),
    ],
)
def test_an_entry_point_that_is_wrong(refused: Refused, points: list[str], expected: str) -> None:
    assert expected in refused({**GOOD, "bot/rotary.py": GOOD[TASK]}, *points)


@pytest.mark.parametrize("command", ["eval", "up", "train", "card", "render"])
def test_every_command_says_it(refused: Refused, command: str) -> None:
    line = refused(but(TASK, "np.stack", "np.hstack"), command=command)
    assert line.startswith("gpc: furuta: observe() raises TypeError: ")
    number = 1 + GOOD[TASK].splitlines().index("        angles = np.stack((arm, np.cos(pole), np.sin(pole)), axis=-1)")
    assert line.endswith(f"(SITE/bot/furuta.py:{number})")


def test_the_others_are_listed_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = outside.declare(tmp_path, {"bot/__init__.py": "1 / 0"}, POINT)
    with outside.visible(site):
        assert main(["list"]) == 0
    listed = " ".join(word for word in capsys.readouterr().out.split() if word != "│")
    assert "cannot be loaded: ZeroDivisionError" in listed
    assert "cart_pole Swing-up" in listed
