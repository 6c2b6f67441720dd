"""The profile that closes the network says so in every respect: one open transport would open the robot."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

PROFILE = Path(__file__).resolve().parents[2] / "config" / "dds" / "loopback.xml"
SPACE = "{http://www.eprosima.com}"


def openings(text: str) -> list[str]:
    """What in a Fast DDS profile lets other hosts in."""
    root = ElementTree.fromstring(text)
    found = []
    closed = set()
    for transport in root.iter(f"{SPACE}transport_descriptor"):
        name, kind = transport.findtext(f"{SPACE}transport_id"), transport.findtext(f"{SPACE}type")
        addresses = [entry.text for entry in transport.findall(f"{SPACE}interfaceWhiteList/{SPACE}address")]
        if kind == "SHM" or (kind == "UDPv4" and addresses == ["127.0.0.1"]):
            closed.add(name)
        else:
            found.append(f"transport {name}: {kind} on {addresses or 'every interface'}")
    participants = list(root.iter(f"{SPACE}participant"))
    if [entry.get("is_default_profile") for entry in participants] != ["true"]:
        found.append("not the default profile")
    for participant in participants:
        if participant.findtext(f"{SPACE}rtps/{SPACE}useBuiltinTransports") != "false":
            found.append("built-in transports")
        used = {entry.text for entry in participant.findall(f"{SPACE}rtps/{SPACE}userTransports/{SPACE}transport_id")}
        if not used or used - closed:
            found.append(f"transports {used - closed or 'unnamed'}")
    return found


def test_the_profile_is_closed() -> None:
    assert openings(PROFILE.read_text()) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<address>127.0.0.1</address>", "<address>0.0.0.0</address>"),
        ("<address>127.0.0.1</address>", "<address>127.0.0.1</address><address>192.168.0.2</address>"),
        ("<interfaceWhiteList>\n        <address>127.0.0.1</address>\n      </interfaceWhiteList>", ""),
        ("<useBuiltinTransports>false", "<useBuiltinTransports>true"),
        ('is_default_profile="true"', 'is_default_profile="false"'),
        ("<type>SHM", "<type>TCPv4"),
    ],
)
def test_every_way_to_open_it_is_noticed(old: str, new: str) -> None:
    text = PROFILE.read_text()
    assert old in text
    assert openings(text.replace(old, new))
