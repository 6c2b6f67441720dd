"""Fixtures of the node tests: a closed network, a domain for each test, nothing left behind."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from domains import new_domain

with warnings.catch_warnings(), contextlib.suppress(ImportError):
    warnings.simplefilter("ignore", DeprecationWarning)  # of what rclpy imports; the tests are held to 'no warnings'
    import rosidl_generator_py  # noqa: F401


@pytest.fixture(scope="session", autouse=True)
def closed_network() -> Iterator[None]:
    from gpc_ros.nodes import network

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ROS_STATIC_PEERS", raising=False)
        patch.delenv("ROS_SECURITY_ENABLE", raising=False)
        for name, value in network.environment(opened=False).items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> int:
    number = new_domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
    return number


@pytest.fixture
def peer(domain: int) -> Iterator[Any]:
    import rig

    found = rig.Peer(domain)
    yield found
    found.close()


@pytest.fixture
def start(domain: int) -> Iterator[Callable[..., Any]]:
    """Starts a node under test: ``start(Simulator, lockstep=True)``."""
    import rig

    running: list[rig.Rig] = []

    def begin(shell: Any, **parameters: object) -> rig.Rig:
        running.append(rig.Rig(shell, domain, **parameters))
        return running[-1]

    yield begin
    for node in running:
        node.close()


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """Every process that a test starts has ended with it."""
    before = children()
    yield
    assert children() <= before


def children() -> set[int]:
    """Processes begun by this one, by this or another thread."""
    found: set[int] = set()
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{thread}/children") as listed:
            found |= {int(number) for number in listed.read().split()}
    return found
