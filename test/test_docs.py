"""The documents are true: their links lead somewhere, what they have you type exists, what they quote is said."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from gpc_ros import config, spec
from gpc_ros.cli import main
from gpc_ros.learning.parameters import TrainParameters
from gpc_ros.node_parameters import PARAMETERS

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [*(ROOT / "gpc_ros").rglob("*.py"), *(ROOT / "launch").glob("*.py")]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODELS = {**PARAMETERS, "train": TrainParameters}
FENCE = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
OF_OTHERS = {"--no-daemon", "--ipc", "--shm-size", "--ulimit"}
GUEST = "furuta"  # the robot of docs/your_robot.md, which is not installed
QUOTING = "the line says|the answer says|reason|why a rung is passed over"
every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def typed(file: Path) -> list[str]:
    """The lines of the fenced blocks."""
    return [line.strip() for text in FENCE.findall(file.read_text().replace("\\\n", "")) for line in text.splitlines()]


def spans(file: Path) -> list[str]:
    """What stands between backticks in the prose, each on one line."""
    return [" ".join(found.split()) for found in SPAN.findall(FENCE.sub("", file.read_text()))]


def words(line: str, program: str) -> list[str]:
    """What follows ``program``, without a comment; empty for another command."""
    return shlex.split(line, comments=True)[1:] if line.startswith(f"{program} ") and line.count("'") != 1 else []


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    subparsers = argparse.ArgumentParser().add_subparsers()
    names = {name: "evaluate" if name == "eval" else name for name in main._COMMANDS}
    return {name: importlib.import_module(f"gpc_ros.cli.{file}").add_parser(subparsers) for name, file in names.items()}


def options(parser: argparse.ArgumentParser) -> set[str]:
    """Those of a command, and of what stands below it."""
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return set(parser._option_string_actions).union(*(options(each) for a in below for each in a.choices.values()))


@cache
def messages() -> list[tuple[int, re.Pattern[str]]]:
    """What the source can say in several words: how many letters of it are fixed, and a pattern of it, filled in."""
    found = []
    for path in SOURCES:
        nodes = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.JoinedStr | ast.Constant)]
        inner = {part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in nodes:
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            texts = [part.value if isinstance(part, ast.Constant) else None for part in parts]
            fixed = "".join(text for text in texts if isinstance(text, str))
            if node not in inner and " " in fixed:
                form = "".join(".*" if text is None else re.escape(str(text)) for text in texts)
                found.append((len(fixed), re.compile("(?:.*: )?" + form.removeprefix(".*:\\ "))))
    return found


def check(node: str, name: str, value: str = "...") -> None:
    """Refuse a parameter (or a part that holds several) that does not exist, or a value that is none for it."""
    valid = config.valid_names(MODELS[node])
    parts = {*valid, *(each.rpartition(".")[0] for each in valid)}
    assert {name.removesuffix(".TERM"), re.sub(r"(_weights)\.\w+$", r"\1", name)} & parts, f"{node}.{name}"
    if value != "...":
        part, _, inner = name.partition(".")
        found = yaml.safe_load(value)
        config.load("cart_pole", node, MODELS[node], **{part: {inner: found} if inner else found})


def asked_of_ros2(line: str) -> Iterator[tuple[str, bool]]:
    """What a ``ros2`` command names, and whether it exists."""
    match [word for word in words(line, "ros2") if not word.startswith("-")]:
        case ["param", _, node, name, *value]:
            check(node.strip("/"), name, *value)
        case ["topic", _, topic, *kind]:
            known = spec.TOPICS.get(topic) or spec.TOPICS.get(topic.lstrip("/"))
            yield line, known is not None and (not kind or kind[0].replace("/msg/", "/") == known.message)
        case ["service", "call", name, kind]:
            served = f'create_service({kind.rpartition("/")[2]}, "{name.lstrip("/")}"'
            yield line, any(served in path.read_text() for path in SOURCES)
        case ["launch", "gpc_ros", file, *given]:
            texts = [(ROOT / "launch" / name).read_text() for name in (file, "robot.launch.py")]
            yield from ((word, any(f'("{word.partition(":=")[0]}",' in text for text in texts)) for word in given)


@every_file
def test_links_lead_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", FENCE.sub("", file.read_text())):
        path, _, anchor = target.partition("#")
        place = file.parent / path if path else file
        assert place.exists(), target
        titles = re.findall(r"^#+ (.+)$", FENCE.sub("", place.read_text()), re.MULTILINE) if anchor else []
        anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}  # as GitHub's
        assert not anchor or anchor in anchors, target


@every_file
def test_commands_and_their_options_exist(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for line in spans(file):
        name, *rest = words(line.partition(": ")[0], "gpc") or ["up"]  # of a message, not the remedy at its end
        assert {word for word in rest if word.startswith("-")} <= options(parsers()[name]), line
        option = line.split()[0].partition("=")[0] if re.match(r"--\w", line) else "--help"
        assert option in OF_OTHERS or any(option in options(each) for each in parsers().values()), line
    for line in typed(file):
        if found := words(line, "gpc"):
            parsers()[found[0]].parse_args(["pendulum" if word == GUEST else word for word in found[1:]])  # or exits


@every_file
def test_parameters_exist_and_take_their_values(file: Path) -> None:
    for line in typed(file) + spans(file):
        for given in re.findall(r"-p ('[^']+'|\S+)", line):
            if found := re.fullmatch(r"([a-z_]+)\.([a-z_.]+)=(.+)", given.strip("'")):
                check(*found.groups())
        if (found := re.fullmatch(rf"({'|'.join(MODELS)})\.([a-z_.]+(?:\.TERM)?)", line)) and found[2] != "py":
            check(*found.groups())


@every_file
def test_what_is_asked_of_ros2_exists(file: Path) -> None:
    assert not [what for line in typed(file) + spans(file) for what, exists in asked_of_ros2(line) if not exists]


@every_file
def test_names_in_backticks_stand_in_the_source(file: Path) -> None:
    known = {word for path in SOURCES for word in [path.stem, *re.findall(r"\w+", path.read_text())]}
    known |= {*config.robots(), *(f"{word}_ms" for word in known)}
    assert not {name for name in spans(file) if re.fullmatch(r"[a-z]+(_[a-z]+)+", name)} - known


@every_file
def test_quoted_messages_are_said(file: Path) -> None:
    for table in re.findall(rf"^\| (?:{QUOTING}) \|.*\n((?:\|.*\n)+)", file.read_text(), re.MULTILINE):
        for quoted in (text for row in table.splitlines()[1:] for text in SPAN.findall(row.split(" | ")[0])):
            text = re.sub(r"^\w+ refused: ", "", quoted)
            if " " in text:
                assert any(6 * fixed >= len(text) and said.fullmatch(text) for fixed, said in messages()), quoted
