"""Parameters on real nodes: declared once with all that describes them, refused in words, never half set."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("rcl_interfaces.msg", reason="needs the ROS package rcl_interfaces")
import rig
from domains import new_domain
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters, SetParametersAtomically
from rclpy.parameter import Parameter, parameter_value_to_python

from gpc_ros import config
from gpc_ros.errors import GpcError, InvalidParameter, UnknownName
from gpc_ros.node_parameters import PARAMETERS
from gpc_ros.nodes.controller import Controller
from gpc_ros.nodes.estimator import Estimator
from gpc_ros.nodes.simulator import Simulator
from gpc_ros.nodes.spc import Spc

pytestmark = pytest.mark.ros
SHELLS = {shell.name: shell for shell in (Simulator, Estimator, Controller, Spc)}


class Remote:
    """A node and its parameter services as another process sees them."""

    def __init__(self, name: str) -> None:
        domain = new_domain()
        self.name, self.node, self.peer = name, rig.Rig(SHELLS[name], domain, robot="cart_pole"), rig.Peer(domain)

    @property
    def value(self) -> Any:
        return self.node.shell.value

    def set(self, **values: object) -> list[Any]:
        request = SetParameters.Request(parameters=messages(values))
        return self.peer.call(SetParameters, f"{self.name}/set_parameters", request).results

    def set_together(self, **values: object) -> Any:
        request = SetParametersAtomically.Request(parameters=messages(values))
        return self.peer.call(SetParametersAtomically, f"{self.name}/set_parameters_atomically", request).result

    def get(self, *names: str) -> list[Any]:
        request = GetParameters.Request(names=names)
        values = self.peer.call(GetParameters, f"{self.name}/get_parameters", request).values
        return [parameter_value_to_python(value) for value in values]

    def describe(self, *names: str) -> list[Any]:
        request = DescribeParameters.Request(names=names)
        return self.peer.call(DescribeParameters, f"{self.name}/describe_parameters", request).descriptors

    def agrees(self) -> bool:
        """Whether what ROS says of every parameter is what the node works with."""
        names = list(self.node.shell.parameters._kinds)
        return not [
            name for name, ros in zip(names, self.get(*names), strict=True) if not same(ros, leaf(self.value, name))
        ]

    def listed(self) -> list[str]:
        return list(
            self.peer.call(ListParameters, f"{self.name}/list_parameters", ListParameters.Request()).result.names
        )

    def close(self) -> None:
        self.peer.close()
        self.node.close()


def messages(values: dict[str, object]) -> list[ParameterMessage]:
    return [
        value if isinstance(value, ParameterMessage) else Parameter(name, value=value).to_parameter_msg()
        for name, value in values.items()
    ]


def same(ros: Any, value: Any) -> bool:
    if isinstance(value, list):
        return list(ros) == value
    if isinstance(value, float):
        return not isinstance(ros, bool) and float(ros) == value
    return ros == value and isinstance(ros, bool) == isinstance(value, bool)


def leaf(value: Any, name: str) -> Any:
    for part in name.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    return value


@pytest.fixture(scope="module", params=SHELLS)
def remote(request: pytest.FixtureRequest, closed_network: None) -> Iterator[Remote]:
    found = Remote(request.param)
    yield found
    found.close()


@pytest.fixture(scope="module")
def simulator(closed_network: None) -> Iterator[Remote]:
    found = Remote("simulator")
    yield found
    found.close()


@pytest.fixture(scope="module")
def spc(closed_network: None) -> Iterator[Remote]:
    found = Remote("spc")
    yield found
    found.close()


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def test_every_field_is_declared_with_description_unit_and_range(remote: Remote) -> None:
    model = PARAMETERS[remote.name]
    plain = {name: field for name, field in fields(model) if not name.endswith("_weights")}
    assert plain.keys() <= set(remote.listed())
    for (name, field), descriptor in zip(plain.items(), remote.describe(*plain), strict=True):
        extra = field.json_schema_extra
        assert field.description in descriptor.description, name
        assert extra["unit"] in descriptor.description, name
        assert descriptor.read_only == extra["read_only"], name
        limits = {
            key: getattr(limit, key)
            for limit in field.metadata
            for key in ("ge", "gt", "le", "lt")
            if hasattr(limit, key)
        }
        ranges = list(descriptor.floating_point_range) + list(descriptor.integer_range)
        bounded = limits.keys() & {"ge", "gt"} and limits.keys() & {"le", "lt"}
        assert len(ranges) == bool(bounded), name
        for found in ranges:
            assert {found.from_value, found.to_value} == set(limits.values()), name


def test_what_ros_says_is_what_the_node_works_with(remote: Remote) -> None:
    assert remote.agrees()


def test_the_weights_of_the_cost_terms_are_parameters(spc: Remote) -> None:
    task = spc.node.shell.task
    for table, defaults in (("running_weights", task.running_weights), ("terminal_weights", task.terminal_weights)):
        names = [f"{table}.{term}" for term in defaults]
        assert spc.get(*names) == list(defaults.values())
        assert spc.set(**{names[0]: 1.25})[0].successful
        assert getattr(spc.value, table)[names[0].split(".")[1]] == 1.25
        assert spc.node.shell.planner.parameters == spc.value
        (refused,) = spc.set(**{names[0]: -1.0})
        assert not refused.successful
        assert "must not be negative" in refused.reason
        assert spc.set(**{names[0]: defaults[names[0].split(".")[1]]})[0].successful
    assert spc.agrees()


def test_a_new_value_reaches_the_plant(simulator: Remote) -> None:
    assert simulator.set(**{"noise.position": 0.25})[0].successful
    assert simulator.value.noise.position == 0.25
    simulator.peer.until(lambda: simulator.node.shell.simulation.parameters.noise.position == 0.25, "the new noise")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("noise.position", -0.1, ("noise.position",)),
        ("noise.position", 11.0, ("noise.position",)),
        ("noise.position", float("nan"), ("noise.position",)),
        ("noise.acceleration", float("inf"), ("noise.acceleration", "finite")),
        ("noise.position", "0.1", ("noise.position", "0.1", "number")),
        ("noise.position", "much", ("noise.position", "much", "number")),
        ("noise.position", True, ("noise.position", "True", "number")),
        ("noise.position", [0.1], ("noise.position", "number")),
        ("measure_velocity", 1, ("measure_velocity = 1 must be true or false",)),
        ("seed", 1, ("seed", "read-only")),
        ("start", 3, ("start = 3 must be a text",)),
        ("physics_step_s", 0.0015, ("physics_step_s", "whole number")),
        ("rate_hz", 100.0, ("rate_hz", "read-only")),
        ("robot", "particle", ("robot", "read-only")),
        ("realtime.priority", 1, ("realtime.priority", "read-only")),
        ("elbow", 1.0, ("unknown parameter of simulator 'elbow'", "Valid: ", "faults.drop")),
        ("noise.positon", 1.0, ("Did you mean 'noise.position'?",)),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_changes_nothing(
    simulator: Remote, name: str, value: object, words: tuple[str, ...]
) -> None:
    before = simulator.value
    (result,) = simulator.set(**{name: value})
    assert not result.successful
    assert all(word in result.reason.replace("read only", "read-only") for word in words), result.reason
    assert "\n" not in result.reason
    assert simulator.value is before
    assert simulator.agrees()


def test_a_whole_number_is_good_enough_for_a_real_one(simulator: Remote) -> None:
    assert simulator.set(**{"noise.velocity": 1})[0].successful
    assert simulator.value.noise.velocity == 1.0
    assert simulator.agrees()


def test_several_are_set_all_or_none(simulator: Remote) -> None:
    before = simulator.value
    result = simulator.set_together(**{"noise.velocity": 0.5, "noise.position": -1.0})
    assert not result.successful
    assert simulator.value is before
    assert (
        simulator.set_together(**{"noise.velocity": 0.5, "faults.drop": 0.5, "faults.drop ": 0.0}).successful is False
    )
    assert simulator.value is before
    assert simulator.set_together(**{"noise.velocity": 0.75, "faults.drop": 0.5}).successful
    assert (simulator.value.noise.velocity, simulator.value.faults.drop) == (0.75, 0.5)
    assert simulator.agrees()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.5, "samples = 1.5 must be a whole number"),
        (True, "samples = True must be a whole number"),
        ("8", "samples = '8' must be a whole number"),
        (0, "samples"),
    ],
)
def test_whole_numbers_are_whole(spc: Remote, value: object, words: str) -> None:
    (result,) = spc.set(samples=value)
    assert not result.successful
    assert words in result.reason
    assert spc.agrees()


def test_values_that_only_fit_together_are_refused_alone(spc: Remote) -> None:
    """Four knots with cubic splines are fine, fewer are not: what the planner refuses, the parameter refuses."""
    before = spc.value
    (refused,) = spc.set(horizon_s=0.0001)
    assert not refused.successful
    assert spc.value is before
    assert spc.node.shell.planner.parameters == before
    assert spc.agrees()


GARBAGE: list[Callable[[random.Random], object]] = [
    lambda r: r.choice([True, False]),
    lambda r: r.randint(-(2**62), 2**62),
    lambda r: r.choice([float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324, r.uniform(-1e3, 1e3)]),
    lambda r: "".join(chr(r.randint(1, 0x2FF)) for _ in range(r.randint(0, 40))),
    lambda r: [r.uniform(-1, 1) for _ in range(r.randint(1, 4))],
    lambda r: [r.randint(-9, 9) for _ in range(r.randint(1, 4))],
    lambda r: [str(r.random()) for _ in range(r.randint(1, 4))],
    lambda r: [bytes([r.randint(0, 255)]) for _ in range(r.randint(1, 4))],
    lambda r: None,
]


def test_two_hundred_sets_of_garbage_leave_the_node_alive_and_whole(remote: Remote) -> None:
    rng = random.Random(remote.name)
    # of the controller's, 'planner' waits for plans by design and has tests of its own
    names = [name for name in remote.listed() if name != "planner"] + ["", "no.such", "a" * 300, "noise", "realtime."]
    before = remote.value
    for _ in range(200):
        chosen = {name: rng.choice(GARBAGE)(rng) for name in rng.sample(names, rng.randint(1, 3))}
        result = remote.set_together(**chosen)
        if not result.successful:
            assert result.reason
            assert remote.value is before
        before = remote.value
    assert remote.node.loop.counts == {}
    assert remote.agrees()


def test_a_message_without_type_is_refused_and_the_default_not_put_in_its_place(simulator: Remote) -> None:
    assert simulator.set(**{"noise.velocity": 0.625})[0].successful
    simulator.set(**{"noise.velocity": ParameterMessage(name="noise.velocity", value=ParameterValue())})
    assert simulator.value.noise.velocity == 0.625
    assert simulator.agrees()


@pytest.mark.parametrize(
    ("shell", "parameters", "error", "words"),
    [
        ("simulator", {"elbow": 1.0}, UnknownName, ("parameter of simulator", "elbow", "noise.position")),
        ("simulator", {"noise.positon": 1.0}, UnknownName, ("noise.positon", "Did you mean 'noise.position'?")),
        ("spc", {"running_weights.elbow": 1.0}, UnknownName, ("running_weights.elbow", "running_weights.")),
        ("simulator", {"noise.position": -1.0}, InvalidParameter, ("noise.position",)),
        ("simulator", {"noise.position": "much"}, InvalidParameter, ("noise.position", "much")),
        ("simulator", {"seed": 1.5}, InvalidParameter, ("seed = 1.5 must be a whole number",)),
        ("simulator", {"rate_hz": 0.0}, InvalidParameter, ("rate_hz",)),
        ("simulator", {"physics_step_s": 0.0015}, InvalidParameter, ("physics_step_s", "whole number")),
        ("simulator", {"start": "nowhere"}, GpcError, ("nowhere", "Valid:")),
        ("simulator", {"model_error": "[body_mass=x]"}, InvalidParameter, ("body_mass=x",)),
        ("simulator", {"robot": "elbow"}, UnknownName, ("robot", "elbow", "cart_pole")),
        ("controller", {"planner": "elbow"}, UnknownName, ("planner", "elbow", "spc")),
        ("controller", {"fallback": "elbow"}, UnknownName, ("fallback", "elbow", "spc")),
        ("simulator", {"model_error": "[1, 2]"}, InvalidParameter, ("model_error", "a list, each item a text")),
        ("simulator", {"model_error": "body_mass=2"}, InvalidParameter, ("model_error", "a list, each item a text")),
        ("simulator", {"realtime.cores": "[0.5]"}, InvalidParameter, ("cores", "a list, each item a whole number")),
        ("estimator", {"position_std": "[0.1, 0.1, 0.1]"}, InvalidParameter, ("position_std", "3 values")),
        ("spc", {"rule": "elbow"}, InvalidParameter, ("elbow", "mppi")),
    ],
)
def test_wrong_values_at_launch_are_one_error_that_names_them(
    domain: int, shell: str, parameters: dict[str, object], error: type[Exception], words: tuple[str, ...]
) -> None:
    with pytest.raises(error) as refusal:
        rig.Rig(SHELLS[shell], domain, **parameters)
    text = str(refusal.value)
    assert all(word in text for word in words), text
    assert "\n" not in text


@pytest.mark.parametrize(("rate", "expected"), [("250", 250.0), ("250.0", 250.0)])
def test_rates_may_be_written_without_a_point(start: Callable[..., rig.Rig], rate: str, expected: float) -> None:
    assert start(Simulator, rate_hz=rate).shell.value.rate_hz == expected


def test_nested_names_of_a_launch_reach_their_place(start: Callable[..., rig.Rig]) -> None:
    value = start(Simulator, **{"noise.position": 0.5, "faults.drop": 0.25, "realtime.cores": "[0]"}).shell.value
    assert (value.noise.position, value.faults.drop, value.realtime.cores) == (0.5, 0.25, [0])


def test_the_robots_files_hold_no_unknown_name() -> None:
    for robot in config.robots():
        for node, model in PARAMETERS.items():
            assert config.load(robot, node, model).robot == robot
