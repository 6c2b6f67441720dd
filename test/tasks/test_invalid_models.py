"""A model that does not fit is refused in one line that names the file and what is wrong."""

from __future__ import annotations

import pytest

from gpc_ros.errors import InvalidModel
from gpc_ros.tasks.pendulum import Pendulum

XML = """
<mujoco>
  <worldbody>
    <body><joint name="hinge" type="hinge"/><geom size="0.1"/></body>
  </worldbody>
  <actuator><motor name="motor" joint="hinge" {limits}/></actuator>
  <keyframe><key name="{key}" qpos="0"/></keyframe>
</mujoco>
"""
LIMITS = 'ctrllimited="true" ctrlrange="-1 1"'


def load(file):
    task = type("Temporary", (Pendulum,), {"model_file": file})()
    return task.load_model()


def refusal(file):
    with pytest.raises(InvalidModel) as caught:
        load(file)
    message = str(caught.value)
    assert "\n" not in message
    assert str(file) in message
    return message


@pytest.fixture
def scene(tmp_path):
    def write(text):
        file = tmp_path / "scene.xml"
        file.write_text(text)
        return file

    return write


def test_the_model_that_the_others_spoil_is_good(scene):
    assert load(scene(XML.format(limits=LIMITS, key="hanging"))).nu == 1


def test_missing_file(tmp_path):
    refusal(tmp_path / "nowhere.xml")


@pytest.mark.parametrize("text", ["", "<mujoco>", "not xml at all", "\x00\x01"])
def test_broken_xml(scene, text):
    refusal(scene(text))


def test_schema_violation_names_the_element(scene):
    assert "nonsense" in refusal(scene(XML.format(limits='nonsense="1"', key="hanging")))


def test_unknown_joint(scene):
    text = XML.format(limits=LIMITS, key="hanging").replace('joint="hinge"', 'joint="elbow"')
    assert "elbow" in refusal(scene(text))


def test_keyframe_of_another_size(scene):
    refusal(scene(XML.format(limits=LIMITS, key="hanging").replace('qpos="0"', 'qpos="0 0"')))


def test_missing_keyframe_lists_those_there_are(scene):
    message = refusal(scene(XML.format(limits=LIMITS, key="standing")))
    assert "'hanging'" in message
    assert "standing" in message


def test_unlimited_actuator(scene):
    message = refusal(scene(XML.format(limits="", key="hanging")))
    assert "ctrlrange" in message
    assert "'motor'" in message


def test_no_actuator(scene):
    text = XML.format(limits=LIMITS, key="hanging")
    message = refusal(scene(text[: text.index("<actuator>")] + text[text.index("</actuator>") + 11 :]))
    assert "no actuator" in message


def test_unknown_start_lists_those_there_are():
    with pytest.raises(InvalidModel, match=r"no keyframe 'sideways'. Valid: home, hanging, upright"):
        Pendulum().start("sideways")


def test_an_integrator_without_derivatives(scene):
    option = '<option integrator="{}"/>'
    text = XML.format(limits=LIMITS, key="hanging")
    assert "RK4" in refusal(scene(text.replace("<worldbody>", option.format("RK4") + "<worldbody>")))
    assert load(scene(text.replace("<worldbody>", option.format("implicitfast") + "<worldbody>")))
