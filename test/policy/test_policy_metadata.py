"""A policy that was made for something else is refused, with what was found and what is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from random_policies import metadata_of

from gpc_ros import config, registry
from gpc_ros.errors import InvalidModel
from gpc_ros.policy import metadata
from gpc_ros.signals import Array
from gpc_ros.tasks.base import States, Task
from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.tasks.pendulum import Pendulum


@pytest.mark.parametrize("robot", config.robots())
def test_it_fits_the_robot_it_was_made_for(robot: str) -> None:
    task: Task = registry.load("tasks", robot, Task)()
    metadata.check(metadata_of(**metadata.of_task(task)), task, "a.onnx")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "crane"}, "a.onnx: task is crane, cart_pole needs cart_pole"),
        ({"actuators": ["slide_"]}, r"actuators is \['slide_'\], cart_pole needs \["),
        ({"ctrl_low": [-2.0]}, r"ctrl_low is 1 values, \[-2.0\], cart_pole needs 1 values, \[-1.0\]"),
        ({"ctrl_high": [1.0001]}, "ctrl_high is"),
        ({"observation_probe": [0.0] * 4}, "observation_probe is 4 values, .* cart_pole needs 5 values"),
    ],
)
def test_every_mismatch_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidModel, match=words) as refusal:
        metadata.check(metadata_of(**changes), CartPole(), "a.onnx")
    assert "\n" not in str(refusal.value)


def test_another_robot_is_refused() -> None:
    with pytest.raises(InvalidModel, match="task is cart_pole, pendulum needs pendulum"):
        metadata.check(metadata_of(), Pendulum(), "a.onnx")


class Other(CartPole):
    """A cart-pole whose observation has changed since the policy was trained."""

    name = "cart_pole"

    def __init__(self, order: list[int], signs: list[float]) -> None:
        self._order, self._signs = order, np.array(signs)

    def observe(self, states: States, goal: Array) -> Array:
        return self._signs * super().observe(states, goal)[..., self._order]


@pytest.mark.parametrize("swapped", [[1, 0, 2, 3, 4], [0, 2, 1, 3, 4], [0, 1, 2, 4, 3]])
def test_an_observation_in_another_order_is_refused(swapped: list[int]) -> None:
    metadata.check(metadata_of(), Other([0, 1, 2, 3, 4], [1.0] * 5), "a.onnx")
    with pytest.raises(InvalidModel, match="observation_probe"):
        metadata.check(metadata_of(), Other(swapped, [1.0] * 5), "a.onnx")


@pytest.mark.parametrize("index", range(5))
def test_an_observation_of_another_sign_is_refused(index: int) -> None:
    signs = np.ones(5)
    signs[index] = -1.0
    with pytest.raises(InvalidModel, match="observation_probe"):
        metadata.check(metadata_of(), Other([0, 1, 2, 3, 4], signs.tolist()), "a.onnx")


def test_rounding_of_another_machine_is_let_through() -> None:
    moved = [value * (1 + 1e-9) for value in metadata_of().observation_probe]
    metadata.check(metadata_of(observation_probe=moved), CartPole(), "a.onnx")


def test_sizes_follow() -> None:
    found = metadata_of()
    assert found.shape == (4, 1)
    assert found.observation_size == 5


@pytest.mark.parametrize(
    "changes",
    [{"ctrl_low": [1.0, 2.0]}, {"knots": 0}, {"steps": 0}, {"sha256": "abc"}, {"ctrl_high": [np.inf]}, {"speed": 1}],
)
def test_nonsense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        metadata_of(**changes)


def test_the_digest_sees_every_byte_but_its_own() -> None:
    data = b"before" + b"5" * 64 + b"behind"
    found = metadata.digest(data, "5" * 64)
    assert found == metadata.digest(data.replace(b"5", b"7"), "7" * 64)
    assert found != metadata.digest(data.replace(b"behind", b"Behind"), "5" * 64)
