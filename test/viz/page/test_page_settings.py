"""Controls made from the parameters: inside their limits, with their words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("viser", reason="needs viser")

from gpc_ros import registry
from gpc_ros.config import Parameters, make, parameter
from gpc_ros.node_parameters import PARAMETERS
from gpc_ros.viz.page.page import DISTURBED, TUNED, watched
from gpc_ros.viz.page.setter import Setter
from gpc_ros.viz.page.settings import Setting, settings


class Inner(Parameters):
    share: float = parameter(0.0, "a share", ge=0, le=1)
    size: float = parameter(1.0, "a size", unit="m", ge=0)


class Model(Parameters):
    robot: str = parameter("x", "fixed", read_only=True)
    count: int = parameter(16, "a number", ge=1, le=10_000)
    warm: float = parameter(1.0, "a level", ge=0, le=1)
    heat: float = parameter(0.1, "a heat", unit="cost", gt=0)
    open_end: float = parameter(0.5, "a thing", gt=0, lt=1)
    free: float = parameter(0.0, "without an end", ge=0)
    on: bool = parameter(False, "a switch")
    values: list[float] = parameter([1.0], "a list")
    text: str = parameter("", "any text")
    rule: str = parameter("mppi", "a rule")
    inner: Inner = Inner()


def of(name: str) -> Setting:
    (found,) = settings("node", Model, [name])
    return found


def test_a_number_has_its_limits_and_reaches_some_times_its_default() -> None:
    assert (of("warm").low, of("warm").high) == (0, 1)
    assert (of("count").low, of("count").high, of("count").step) == (1, 80, 1)
    assert isinstance(of("count").high, int)
    assert of("heat").low > 0
    assert of("heat").high == pytest.approx(0.5)
    assert 0 < of("open_end").low < of("open_end").high < 1
    assert of("free").high == 5


def test_words_are_the_parameters_own() -> None:
    assert of("heat").hint == "node: a heat [cost]"
    assert of("inner.size").label == "size"
    assert of("rule").choices == tuple(registry.names("sampling.rules"))


@pytest.mark.parametrize("name", ["robot", "values", "text"])
def test_what_no_control_fits_is_left_out(name: str) -> None:
    assert settings("node", Model, [name]) == []


def test_a_dot_at_the_end_stands_for_all_below() -> None:
    assert [setting.name for setting in settings("node", Model, ["inner."])] == ["inner.share", "inner.size"]


def test_a_name_that_is_not_there_is_an_error_of_ours() -> None:
    with pytest.raises(KeyError):
        settings("node", Model, ["samples"])


@pytest.mark.parametrize("node", PARAMETERS)
def test_a_node_accepts_whatever_its_controls_can_be_moved_to(node: str) -> None:
    model = PARAMETERS[node]
    names = [*TUNED.get(node, ()), *DISTURBED.get(node, ())]
    for setting in settings(node, model, names):
        ends: list[Any] = [*setting.choices] or [True, False]
        if not setting.choices and not isinstance(setting.default, bool):
            ends = [setting.low, setting.low + setting.step, setting.high]
        for value in ends:
            values: dict[str, Any] = {}
            *path, leaf = setting.name.split(".")
            place = values
            for part in path:
                place = place.setdefault(part, {})
            place[leaf] = value
            make(model, values, node)


def test_the_page_watches_the_planner_and_every_parameter_that_it_shows() -> None:
    names = watched(PARAMETERS)
    assert "planner" in names["controller"]
    assert {"rule", "samples", "temperature", "noise"} <= set(names["spc"])
    assert "warm_start" in names["policy_server"]
    assert {"faults.stuck", "faults.drop"} <= set(names["simulator"])
    assert "web" not in names


class Slow:
    """A node that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answers: list[Any] = []

    def set_value(self, node: str, name: str, value: Any, done: Any) -> None:
        self.asked.append(value)
        self.answers.append(done)

    def answer(self, reason: str = "") -> None:
        self.answers.pop(0)(reason)


@pytest.fixture
def slow() -> SimpleNamespace:
    port, told = Slow(), []
    setter = Setter(port, "spc", "noise")  # type: ignore[arg-type]
    return SimpleNamespace(port=port, told=told, setter=setter, set=lambda value: setter.set(value, told.append))


def test_of_values_that_come_while_one_is_on_its_way_the_last_counts(slow: SimpleNamespace) -> None:
    for value in range(10):
        slow.set(value)
    assert slow.port.asked == [0]
    assert slow.setter.busy
    slow.port.answer()
    assert slow.port.asked == [0, 9]
    slow.port.answer()
    assert not slow.setter.busy
    assert slow.told == []


def test_a_refusal_is_told_unless_something_else_is_wanted_by_then(slow: SimpleNamespace) -> None:
    slow.set(1)
    slow.set(2)
    slow.port.answer("too small")
    assert slow.told == []
    slow.port.answer("too large")
    assert slow.told == ["too large"]
    assert not slow.setter.busy
