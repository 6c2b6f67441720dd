"""The table of topics and nodes: complete, consistent, and what the nodes really do."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest

from gpc_ros import config, registry, spec
from gpc_ros.errors import UnknownName
from gpc_ros.node_parameters import PARAMETERS


def test_every_topic_of_a_node_is_in_the_table_and_every_topic_is_used() -> None:
    used = {topic for node in spec.NODES.values() for topic in (*node.inputs, *node.outputs)}
    assert used == spec.TOPICS.keys()


def test_what_is_read_is_written_by_somebody() -> None:
    written = {topic for node in spec.NODES.values() for topic in node.outputs}
    read = {topic for node in spec.NODES.values() for topic in node.inputs}
    assert read <= written


def test_what_makes_a_node_act_and_what_it_does_is_recorded() -> None:
    """But for what is made for whoever looks at it, and would cost the stack something."""
    acted = {topic for node in spec.CONTROL.values() for topic in (*node.inputs, *node.outputs)}
    assert set(spec.NODES["recorder"].inputs) == acted - {"state_estimate/covariance", "spc/candidates"}


def test_the_command_has_one_writer() -> None:
    assert [node.name for node in spec.NODES.values() if "command" in node.outputs] == ["controller"]


@pytest.mark.parametrize("table", [spec.TOPICS, spec.NODES])
def test_entries_stand_under_their_names_and_say_what_they_are(table: dict[str, spec.Topic | spec.Node]) -> None:
    for name, entry in table.items():
        assert entry.name == name
        assert entry.content if isinstance(entry, spec.Topic) else entry.purpose


@pytest.mark.parametrize("topic", spec.TOPICS.values(), ids=lambda topic: topic.name)
def test_message_types_exist(topic: spec.Topic) -> None:
    package, slash, kind = topic.message.partition("/")
    assert slash
    messages = pytest.importorskip(f"{package}.msg", reason=f"needs the ROS package {package}")
    assert hasattr(messages, kind)


def test_every_node_has_a_module_and_parameters() -> None:
    assert spec.NODES.keys() == PARAMETERS.keys()
    for node in spec.NODES.values():
        assert importlib.util.find_spec(node.module) is not None


def test_plan_topics_carry_the_names_of_planners() -> None:
    planners = set(registry.names("control"))
    for topic in spec.TOPICS:
        if topic.endswith("/plan"):
            assert topic == spec.plan_topic(topic.removesuffix("/plan"))
            assert topic.removesuffix("/plan") in planners


def test_the_parameter_file_of_a_robot() -> None:
    for robot in config.robots():
        assert spec.parameters_file(robot).endswith(f"{robot}.yaml")
    with pytest.raises(UnknownName, match="unknown robot 'elbow'"):
        spec.parameters_file("elbow")


def test_the_graph_shows_every_way_from_writer_to_reader() -> None:
    lines = spec.graph().splitlines()
    assert lines[0] == "graph LR"
    assert "  controller -- command --> simulator" in lines
    assert "  controller -- command --> estimator" in lines
    expected = sum(
        writer != reader and topic in writer.outputs and topic in reader.inputs
        for topic in spec.TOPICS
        for writer in spec.CONTROL.values()
        for reader in spec.CONTROL.values()
    )
    assert len(lines) - 1 == expected


def test_the_readme_draws_the_graph() -> None:
    assert spec.graph() in (Path(__file__).parents[1] / "README.md").read_text()


@pytest.mark.parametrize(
    ("namespace", "name"), [("/", "gpc_ros/spc"), ("", "gpc_ros/spc"), ("/left", "gpc_ros/left/spc")]
)
def test_robots_in_namespaces_have_names_of_their_own_in_diagnostics(namespace: str, name: str) -> None:
    assert spec.status_name("spc", namespace) == name
