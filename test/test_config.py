"""Parameters: every wrong name, value or file is refused in one line that says what is valid."""

from __future__ import annotations

import math

import pytest

from gpc_ros import config, paths
from gpc_ros.config import Parameters, parameter
from gpc_ros.errors import GpcError, InvalidParameter, UnknownName


class Noise(Parameters):
    position: float = parameter(0.1, "standard deviation", unit="m", ge=0, le=1)
    velocity: float = parameter(0.2, "standard deviation", unit="m/s", ge=0)


class Node(Parameters):
    rate_hz: float = parameter(500.0, "rate", unit="Hz", gt=0, read_only=True)
    count: int = parameter(3, "how many", ge=1, le=9)
    cores: list[int] = parameter([], "cores")
    weights: dict[str, float] = parameter({"a": 1.0}, "weights by name")
    noise: Noise = Noise()


def make(**values):
    return config.make(Node, values, "spc")


def complaint(error, call, *args, **kwargs):
    with pytest.raises(error) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.fixture
def robot_file(tmp_path, monkeypatch):
    """Writes the parameter file of a robot called ``acrobot``, the only one there is."""
    (tmp_path / "config").mkdir()
    monkeypatch.setattr(paths, "share", lambda: tmp_path)

    def write(text):
        file = tmp_path / "config" / "acrobot.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def parameters(body):
    return f"/**/spc:\n  ros__parameters:\n    {body}\n"


# --- values


def test_defaults_and_values():
    assert make().rate_hz == 500.0
    assert make(count=5, noise={"position": 0.5}) == Node(count=5, noise=Noise(position=0.5))


def test_limits_belong_to_the_valid_range():
    assert make(count=1).count == 1
    assert make(count=9).count == 9
    assert make(noise={"position": 0.0}).noise.position == 0.0


@pytest.mark.parametrize("count", [0, 10, -1, 10**30])
def test_out_of_range(count):
    message = complaint(InvalidParameter, make, count=count)
    assert message.startswith(f"spc: count = {count}: ")
    assert "1" in message or "9" in message


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_not_finite(value):
    assert "noise.position" in complaint(InvalidParameter, make, noise={"position": value})
    assert "weights.a" in complaint(InvalidParameter, make, weights={"a": value})


@pytest.mark.parametrize("value", ["many", [1], {}, None, 1.5])
def test_wrong_type(value):
    assert complaint(InvalidParameter, make, count=value).startswith(f"spc: count = {value!r}: ")


def test_element_of_a_list_is_named():
    assert "cores.1 = 'two'" in complaint(InvalidParameter, make, cores=[1, "two"])


def test_huge_value_is_quoted_in_part():
    complaint(InvalidParameter, make, count="9" * 100_000)


def test_unknown_name_suggests_the_close_one_and_lists_all():
    message = complaint(UnknownName, make, rate=3)
    assert "'rate'. Did you mean 'rate_hz'?" in message
    assert message.endswith("Valid: cores, count, noise.position, noise.velocity, rate_hz, weights")
    assert "'noise.positon'. Did you mean 'noise.position'?" in complaint(UnknownName, make, noise={"positon": 1})


def test_parameters_are_immutable():
    with pytest.raises(ValueError, match="frozen"):
        make().count = 4


def test_defaults_are_not_shared():
    make().cores.append(7)
    make().weights["b"] = 1.0
    assert make().cores == []
    assert make().weights == {"a": 1.0}


def test_unit_limits_and_description_are_kept_for_ros():
    field = Node.model_fields["rate_hz"]
    assert field.description == "rate"
    assert field.json_schema_extra == {"unit": "Hz", "read_only": True}
    assert Node.model_json_schema()["properties"]["count"]["maximum"] == 9


# --- files


def test_robot_without_a_file(robot_file):
    robot_file("")
    assert config.robots() == ["acrobot"]
    message = complaint(UnknownName, config.load, "acrobat", "spc", Node)
    assert message == "unknown robot 'acrobat'. Did you mean 'acrobot'? Valid: acrobot"


@pytest.mark.parametrize("name", ["../config/acrobot", "/etc/passwd", ""])
def test_robot_is_a_name_and_not_a_path(robot_file, name):
    robot_file("")
    complaint(UnknownName, config.file_of, name)


def test_file_then_overrides(robot_file):
    robot_file(parameters("{count: 4, noise: {position: 0.3}}"))
    loaded = config.load("acrobot", "spc", Node, **{"noise.velocity": 0.4, "count": 6})
    assert loaded == Node(count=6, noise=Noise(position=0.3, velocity=0.4))
    assert config.load("acrobot", "controller", Node) == Node()


def test_dots_and_nesting_mean_the_same(robot_file):
    robot_file(parameters("{noise.position: 0.3, noise: {velocity: 0.4}, weights.a: 2.0}"))
    assert config.load("acrobot", "spc", Node) == Node(noise=Noise(position=0.3, velocity=0.4), weights={"a": 2.0})


def test_no_parameters_are_the_defaults(robot_file):
    robot_file("/**/spc: {ros__parameters: }")
    assert config.load("acrobot", "spc", Node) == Node()


def test_wrong_value_in_a_file_names_node_and_parameter(robot_file):
    robot_file(parameters("noise: {position: 7}"))
    message = complaint(InvalidParameter, config.load, "acrobot", "spc", Node)
    assert message.startswith("spc: noise.position = 7: ")


def test_override_below_a_plain_value(robot_file):
    robot_file(parameters("noise: 7"))
    message = complaint(InvalidParameter, config.load, "acrobot", "spc", Node, **{"noise.position": 0.1})
    assert message == "noise = 7 cannot hold 'position'"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "plain",
        "/**/spc: 3",
        "/**/spc: {parameters: {count: 4}}",
        "/**/spc: {ros__parameters: {count: 4}, more: 1}",
        "/**/spc: {ros__parameters: [count]}",
        "/**: {ros__parameters: {count: 4}}",
        "/a/spc: {ros__parameters: {count: 4}}\n/b/spc: {ros__parameters: {count: 5}}",
    ],
)
def test_not_a_parameter_file(robot_file, text):
    file = robot_file(text)
    assert str(file) in complaint(GpcError, config.read, file)


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch gotcha']",
        "!!python/name:os.system",
        "!!python/tuple [1]",
        "!unknown 1",
        "!!int many",
        "!!bool maybe",
        "!!timestamp soon",
        "2020-99-99",
        "9" * 5000,
        "[" * 20_000,
        "'open",
        "\x00",
    ],
    ids=lambda value: value[:20],
)
def test_values_that_are_not_plain(robot_file, value):
    file = robot_file(parameters(f"count: {value}"))
    assert str(file) in complaint(GpcError, config.read, file)


def test_bytes_that_are_no_text(robot_file):
    complaint(GpcError, config.read, robot_file(b"\xff\xfe\x00\xd8"))


def test_aliases_are_refused_before_they_swell(robot_file):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    message = complaint(GpcError, config.read, robot_file("\n".join(lines)))
    assert "aliases are not allowed" in message
    assert "line 2" in message


def test_syntax_error_names_the_line(robot_file):
    assert "line 3" in complaint(GpcError, config.read, robot_file("a:\n  b: 1\n c: 2\n"))


def test_file_too_large(robot_file):
    assert "larger than 100000 bytes" in complaint(GpcError, config.read, robot_file("#" * 100_001))


def test_endless_file_is_not_read_to_its_end(tmp_path):
    endless = tmp_path / "endless.yaml"
    endless.symlink_to("/dev/zero")
    assert "larger than" in complaint(GpcError, config.read, endless)


def test_missing_file_and_folder(tmp_path):
    assert "No such file" in complaint(GpcError, config.read, tmp_path / "missing.yaml")
    complaint(GpcError, config.read, tmp_path)


def test_every_file_of_ours_is_read():
    assert config.robots()
    for robot in config.robots():
        assert config.read(config.file_of(robot))
