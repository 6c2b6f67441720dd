"""Every RViz file shows topics that there are, as what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gpc_ros import spec
from gpc_ros.spec import Qos
from gpc_ros.tasks.particle import Particle
from gpc_ros.viz.scene import Scene
from gpc_ros.viz.urdf import WORLD

FILES = sorted((Path(__file__).resolve().parents[2] / "config" / "rviz").glob("*.rviz"))
MESSAGES = {
    "MarkerArray": "visualization_msgs/MarkerArray",
    "Pose": "geometry_msgs/PoseStamped",
    "RobotModel": "std_msgs/String",
    "SetGoal": "geometry_msgs/PoseStamped",
}
"""What displays and tools carry, by class."""
WITHOUT_TOPIC = {"Grid", "TF", "MoveCamera", "Select", "FocusCamera", "Measure", "Interact"}
TOPICS = ("Topic", "Description Topic")


def entries(file: Path) -> list[dict[str, Any]]:
    """Displays and tools."""
    manager = yaml.safe_load(file.read_text())["Visualization Manager"]
    return [*manager["Displays"], *manager["Tools"]]


def kind(entry: dict[str, Any]) -> str:
    package, _, name = entry["Class"].partition("/")
    assert package == "rviz_default_plugins"
    return name


def topic(entry: dict[str, Any]) -> dict[str, Any]:
    (found,) = [entry[name] for name in TOPICS if name in entry]
    return found


def test_there_is_a_file() -> None:
    assert FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_topics_exist_with_the_type_that_is_shown(file: Path) -> None:
    for entry in entries(file):
        if (name := kind(entry)) in WITHOUT_TOPIC:
            assert not any(place in entry for place in TOPICS)
        else:
            assert spec.TOPICS[topic(entry)["Value"]].message == MESSAGES[name]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_displays_can_be_connected_with_who_publishes(file: Path) -> None:
    for entry in entries(file):
        if kind(entry) in MESSAGES:
            carried, wanted = spec.TOPICS[topic(entry)["Value"]].qos, topic(entry)
            if wanted["Durability Policy"] == "Transient Local":
                assert carried is Qos.LATCHED
            if wanted["Reliability Policy"] == "Reliable":
                assert carried is not Qos.STATE


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_frame_and_the_namespaces_are_those_of_the_markers(file: Path) -> None:
    manager = yaml.safe_load(file.read_text())["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == WORLD
    for entry in entries(file):
        if kind(entry) == "MarkerArray":
            assert set(entry["Namespaces"]) == Scene(Particle()).spaces


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_needs_tf_is_off_until_asked_for(file: Path) -> None:
    enabled = {kind(entry): entry.get("Enabled") for entry in entries(file)}
    assert enabled["MarkerArray"] is True
    assert enabled["RobotModel"] is enabled["TF"] is False
