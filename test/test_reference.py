"""The reference: complete, readable as Markdown, and the committed file is what the source says now."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest

from gpc_ros import config, reference, registry, spec
from gpc_ros.cli import reference as command
from gpc_ros.cli.main import main
from gpc_ros.config import Parameters, parameter
from gpc_ros.learning.parameters import TrainParameters
from gpc_ros.node_parameters import PARAMETERS
from gpc_ros.sampling.spline import Interpolation

FILE = Path(__file__).resolve().parents[1] / "docs" / "reference.md"


@pytest.fixture(scope="module")
def text() -> str:
    return command.text()


def section(text: str, name: str) -> str:
    """From the heading ``name`` to the next one of its rank."""
    found = re.search(rf"^(#+) {re.escape(name)}\n(.*?)(?=^#{{1,3}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no section {name}"
    return found[2]


def test_the_committed_file_is_current(text: str) -> None:
    assert FILE.read_text() == text, "out of date: gpc reference --out docs/reference.md"


def test_every_topic_and_node_is_there(text: str) -> None:
    for topic in spec.TOPICS.values():
        assert f"| `{topic.name}` | {topic.message} | {topic.qos.value} |" in section(text, "Topics")
    for node in spec.NODES.values():
        (row,) = (line for line in section(text, "Nodes").splitlines() if line.startswith(f"| `{node.name}` |"))
        assert all(f"`{topic}`" in row for topic in (*node.inputs, *node.outputs))


@pytest.mark.parametrize(("name", "model"), [*PARAMETERS.items(), ("train", TrainParameters)])
def test_every_parameter_is_there_with_what_it_means(text: str, name: str, model: type[Parameters]) -> None:
    lines = (section(text, "All nodes") + section(text, name)).splitlines()
    for entry in reference.entries(model):
        assert any(line.startswith(f"| `{entry.name}` |") for line in lines), entry.name
        assert entry.field.description, f"{name}.{entry.name} says nothing of itself"
    weights = [name for name in config.valid_names(model) if name.endswith("_weights")]
    assert len(list(reference.entries(model))) == len(config.valid_names(model)), weights


def test_every_planner_rule_and_robot_is_there(text: str) -> None:
    for group in ("control", "sampling.rules", "tasks"):
        for name in registry.names(group):
            assert section(text, name).strip()


def test_every_row_has_as_many_cells_as_its_table(text: str) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1, table


class Inner(Parameters):
    depth: float = parameter(1.0, "of the well", unit="m", gt=0, lt=9)


class Outer(Parameters):
    inner: Inner = Inner(depth=2.0)
    names: list[str] = parameter(["a|b"], "some | names", read_only=True)
    shape: Literal["round", "square"] = parameter("round", "of *all*")
    curve: Interpolation = parameter(Interpolation.CUBIC, "between points")
    count: int = parameter(3, "how many", ge=1)
    terms: dict[str, float] = parameter({}, "weights", ge=0)


def test_rows_say_default_range_and_when_it_can_be_set() -> None:
    rows = {entry.name: entry.row for entry in reference.entries(Outer)}
    assert rows["inner.depth"] == ("`inner.depth`", "float", "`2`", "m", "(0, 9)", "any time", "of the well")
    assert rows["names"] == ("`names`", "list[str]", '`["a\\|b"]`', "", "", "launch", r"some \| names")
    assert rows["shape"][1:3] == ("`round` `square`", '`"round"`')
    assert rows["shape"][-1] == r"of \*all\*"
    assert rows["curve"][1:3] == ("`zero` `linear` `cubic`", '`"cubic"`')
    assert rows["count"][1:5] == ("int", "`3`", "", "[1, ∞)")
    assert rows["terms.<term>"][1:3] == ("float", "the robot's")


def test_prose_leaves_out_what_only_programmers_need() -> None:
    text = """One line.

    A ``name`` and
    a*b.

    Args:
        x: not this.

    Raises:
        GpcError: nor this.
    """
    assert reference.prose(text) == "One line.\n\nA `name` and a\\*b."


def test_the_command_writes_or_prints(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reference", "--out", str(tmp_path / "a.md")]) == 0
    assert (tmp_path / "a.md").read_text() == text
    assert main(["reference"]) == 0
    assert capsys.readouterr().out == text
    assert main(["reference", "--out", str(tmp_path / "no" / "a.md")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"gpc: --out {tmp_path / 'no' / 'a.md'}: No such file or directory"
