"""The network's door: closed by default. Fast DDS on 127.0.0.1 and shared memory alone, checked at start."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from typing import Any

from gpc_ros import paths
from gpc_ros.errors import GpcError

_CLOSED = "GPC_ROS_NETWORK"
_PROFILES = "FASTDDS_DEFAULT_PROFILES_FILE"
_FAST_DDS_2 = ("humble", "iron", "jazzy")  # read it by its former name
_DISCOVERY_S = 0.6
_LAST_DOMAIN = 232  # beyond, there are no UDP ports
_LOOPBACK = "0100007F"
_claims: list[socket.socket] = []  # held until the process ends


def environment(*, opened: bool) -> dict[str, str]:
    """Environment variables for the nodes; with ``opened`` none, so that the user's own settings hold.

    Raises:
        GpcError: if peers on other hosts are asked for while the network is closed.
    """
    if opened:
        return {_CLOSED: "open"}
    if peers := os.environ.get("ROS_STATIC_PEERS"):
        raise GpcError(f"ROS_STATIC_PEERS={peers} asks for other hosts, but the network is closed: add --network")
    profile = str(paths.share() / "config" / "dds" / "loopback.xml")
    variable = "FASTRTPS_DEFAULT_PROFILES_FILE" if os.environ.get("ROS_DISTRO") in _FAST_DDS_2 else _PROFILES
    return {
        _CLOSED: "closed",
        variable: profile,
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }


def close_unless_told() -> None:
    """Close the network for a node that was started by hand; ``GPC_ROS_NETWORK=open`` is the other choice.

    Raises:
        GpcError: for a ROS_DOMAIN_ID that is none, or peers on other hosts.
    """
    domain()
    if _CLOSED not in os.environ:
        os.environ.update(environment(opened=False))


def check_security() -> None:
    """Refuse ``ROS_SECURITY_ENABLE`` in words where the middleware would only fail to make a node."""
    if os.environ.get("ROS_SECURITY_ENABLE", "").lower() == "true" and "ROS_DISTRO" not in os.environ:
        raise GpcError(
            "ROS_SECURITY_ENABLE=true, but the PyPI wheels of ROS 2 carry no DDS security: use a ROS 2 built with "
            "SECURITY=ON, or unset it and keep the network closed"
        )


def check_closed() -> None:
    """Refuse to run if the network is said to be closed and a UDP port of this process is open to it."""
    if os.environ.get(_CLOSED) != "closed":
        return
    if ports := open_ports():
        raise GpcError(
            f"the network is to be closed, but UDP ports {ports} are open to it: is Fast DDS the middleware?"
        )


def open_ports() -> list[int]:
    """UDP ports on which this process listens to DDS beyond 127.0.0.1 (those of its domain, DDSI-RTPS 9.6.1.1)."""
    first = 7400 + 250 * domain()
    own = set(_socket_inodes())
    found = set()
    with open("/proc/net/udp") as table:
        for line in list(table)[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[9] in own and address != _LOOPBACK and first <= int(port, 16) < first + 250:
                found.add(int(port, 16))
    return sorted(found)


def _socket_inodes() -> list[str]:
    """Inodes of this process's sockets."""
    inodes = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue
        if link.startswith("socket:["):
            inodes.append(link[len("socket:[") : -1])
    return inodes


def claim(name: str) -> None:
    """Refuse to start beside another ``name`` (with namespace) of this domain on this machine.

    At once and for certain, where discovery on a busy machine takes its time. The claim, an abstract socket, ends with
    the process, however that ends.

    Raises:
        GpcError: names the node and the domain.
    """
    address = f"\0gpc_ros {domain()} {name}"
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        held.bind(address)
    except OSError:
        held.close()
        raise _running(name) from None
    _claims.append(held)


def refuse_duplicates(nodes: Sequence[Any]) -> None:
    """Refuse to start beside a node of the same name: two of a kind would fight over the robot.

    Raises:
        GpcError: names the node and the domain.
    """
    for node in nodes:
        claim(node.get_fully_qualified_name())
    wanted = {(node.get_name(), node.get_namespace()) for node in nodes}
    end = time.monotonic() + _DISCOVERY_S
    while time.monotonic() < end:
        seen = nodes[0].get_node_names_and_namespaces()
        for name in wanted:
            if seen.count(name) > 1:
                raise _running(f"{name[1].rstrip('/')}/{name[0]}")
        time.sleep(0.05)


def _running(name: str) -> GpcError:
    return GpcError(
        f"{name} is already running in domain {domain()}: stop it, or set another ROS_DOMAIN_ID or namespace"
    )


def domain() -> int:
    """The domain that ROS_DOMAIN_ID names.

    Raises:
        GpcError: if it is not a number in range.
    """
    text = os.environ.get("ROS_DOMAIN_ID") or "0"
    if not text.isdecimal() or int(text) > _LAST_DOMAIN:
        raise GpcError(f"ROS_DOMAIN_ID={text}: must be a number from 0 to {_LAST_DOMAIN}")
    return int(text)
