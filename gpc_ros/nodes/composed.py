"""The whole stack in one process on one loop: fewer hand-overs, one point of failure."""

from __future__ import annotations

import os

from gpc_ros.nodes.controller import Controller
from gpc_ros.nodes.estimator import Estimator
from gpc_ros.nodes.policy_server import PolicyServer
from gpc_ros.nodes.running import run
from gpc_ros.nodes.simulator import Simulator
from gpc_ros.nodes.spc import Spc

_ALL = {shell.name: shell for shell in (Simulator, Estimator, Controller, PolicyServer, Spc)}


def main() -> int:
    """Entry point; ``GPC_ROS_NODES`` names the nodes, by default all."""
    names = os.environ.get("GPC_ROS_NODES", ",".join(_ALL)).split(",")
    return run([_ALL[name] for name in names])


if __name__ == "__main__":
    raise SystemExit(main())
