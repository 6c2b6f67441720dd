"""ROS domains for tests: none that another test run or a stack on this machine is using."""

from __future__ import annotations

import itertools
import os
import socket

_LAST = 101  # beyond, a machine may lend the UDP ports to others
_candidates = itertools.count(os.getpid() * 7)
_reserved: dict[int, socket.socket] = {}  # until this process ends


def new_domain() -> int:
    """A domain from 1 to 101 that this test run has not used for as long as possible."""
    for candidate in itertools.islice(_candidates, 10 * _LAST):
        domain = 1 + candidate % _LAST
        if _ours(domain) and _free(f"\0gpc_ros {domain} gpc up"):
            return domain
    raise RuntimeError("no free ROS domain")


def _ours(domain: int) -> bool:
    """Whether the domain is reserved for this process, now or before."""
    if domain not in _reserved:
        held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            held.bind(f"\0gpc_ros test {domain}")
        except OSError:
            held.close()
            return False
        _reserved[domain] = held
    return True


def _free(name: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind(name)
        except OSError:
            return False
    return True
