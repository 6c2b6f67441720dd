"""The network's door: closed unless opened, and looked at, not believed."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
from rig import Peer, Rig

from gpc_ros.errors import GpcError
from gpc_ros.nodes import network
from gpc_ros.nodes.simulator import Simulator


@pytest.fixture
def port(domain: int) -> Iterator[socket.socket]:
    """A UDP socket; a test binds it in the range of its domain."""
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    yield found
    found.close()


def bind(port: socket.socket, address: str, domain: int) -> int:
    """Bind to a free port of the domain, far from those that DDS takes first."""
    for number in range(7400 + 250 * domain + 200, 7400 + 250 * domain + 249):
        try:
            port.bind((address, number))
        except OSError:
            continue
        return number
    pytest.fail("no free port")


@pytest.mark.ros
def test_nodes_listen_on_this_machine_alone(start: Callable[..., Rig], peer: Peer) -> None:
    start(Simulator, lockstep="true")
    peer.hear("joint_states")
    assert network.open_ports() == []
    network.check_closed()


def test_an_open_port_is_found_and_refused(port: socket.socket, domain: int) -> None:
    number = bind(port, "0.0.0.0", domain)
    assert network.open_ports() == [number]
    with pytest.raises(GpcError, match=f"closed, but UDP ports \\[{number}\\] are open"):
        network.check_closed()


def test_a_port_of_the_loopback_is_not_open(port: socket.socket, domain: int) -> None:
    bind(port, "127.0.0.1", domain)
    assert network.open_ports() == []


def test_where_the_network_was_opened_on_purpose_nothing_is_refused(
    port: socket.socket, domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPC_ROS_NETWORK", "open")
    bind(port, "0.0.0.0", domain)
    network.check_closed()


def test_opened_it_leaves_the_users_settings_alone() -> None:
    assert network.environment(opened=True) == {"GPC_ROS_NETWORK": "open"}


def test_peers_elsewhere_and_a_closed_network_contradict_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_STATIC_PEERS", "192.0.2.7")
    with pytest.raises(GpcError, match="add --network"):
        network.environment(opened=False)
    network.environment(opened=True)


@pytest.mark.parametrize(("distribution", "security", "fails"), [
    (None, "true", True), (None, "TRUE", True), (None, "false", False), (None, None, False), ("kilted", "true", False),
])  # fmt: skip
def test_security_that_the_wheels_lack_is_refused(
    monkeypatch: pytest.MonkeyPatch, distribution: str | None, security: str | None, fails: bool
) -> None:
    for name, value in (("ROS_DISTRO", distribution), ("ROS_SECURITY_ENABLE", security)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    if fails:
        with pytest.raises(GpcError, match="no DDS security"):
            network.check_security()
    else:
        network.check_security()


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
    """Claims that end with the test."""
    found: list[socket.socket] = []
    monkeypatch.setattr(network, "_claims", found)
    yield found
    for held in found:
        held.close()


def test_a_name_is_claimed_once_in_a_domain(
    claims: list[socket.socket], domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.claim("/arm/controller")
    network.claim("/leg/controller")  # another namespace
    with pytest.raises(GpcError, match=f"/arm/controller is already running in domain {domain}: stop it, or set"):
        network.claim("/arm/controller")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain % 101 + 1))
    network.claim("/arm/controller")  # another domain


def test_a_claim_ends_with_its_holder(claims: list[socket.socket], domain: int) -> None:
    network.claim("/controller")
    claims.pop().close()
    network.claim("/controller")


@pytest.mark.parametrize("text", ["233", "-1", "1.5", "elbow"])
def test_a_domain_that_is_none_is_refused(
    claims: list[socket.socket], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", text)
    with pytest.raises(GpcError, match=f"ROS_DOMAIN_ID={text}: must be a number from 0 to 232"):
        network.claim("/controller")
