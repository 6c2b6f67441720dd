"""All nodes of the stack in lock-step in this process, on a robot that stands upright."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue, SetParametersResult
from rcl_interfaces.srv import SetParameters
from rig import Peer, Rig

from gpc_ros.nodes.controller import Controller
from gpc_ros.nodes.estimator import Estimator
from gpc_ros.nodes.policy_server import PolicyServer
from gpc_ros.nodes.simulator import Simulator
from gpc_ros.nodes.spc import Spc

SLEW = 20.0  # [ctrlranges per s]


class Stack:
    """Every node of the table, in lock-step on one robot that stands upright."""

    def __init__(self, start: Callable[..., Rig], peer: Peer, model: Path) -> None:
        self.peer = peer
        shared = {"lockstep": "true"}
        self.spc = start(Spc, samples=8, **shared)
        self.server = start(PolicyServer, model_file=model, seed_samples=4, **shared)
        self.controller = start(Controller, slew_rate=SLEW, **shared)
        self.estimator = start(Estimator, **shared)
        self.simulator = start(Simulator, start="upright", **shared)
        self.nodes = (self.spc, self.server, self.controller, self.estimator, self.simulator)
        self.run(50)

    @property
    def ticks(self) -> int:
        return self.simulator.shell.pacing.ticks

    def run(self, ticks: int) -> None:
        end = self.ticks + ticks
        self.peer.until(lambda: self.ticks >= end, f"{ticks} ticks")

    def set(self, node: str, name: str, value: str) -> SetParametersResult:
        """Set a parameter as ``ros2 param set`` does."""
        content = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
        request = SetParameters.Request(parameters=[Parameter(name=name, value=content)])
        return self.peer.call(SetParameters, f"/{node}/set_parameters", request).results[0]

    def log(self) -> tuple[Any, Any]:
        """Angles from upright and commands so far, read in the loop that writes them."""
        found: list[Any] = []
        self.simulator.loop.post(lambda: found.extend(self.simulator.shell.log.arrays()))
        _, states, ctrl = self.peer.until(lambda: len(found) == 3 and found, "the log")
        return states.qpos[:, 1] - np.pi, ctrl

    def stands(self) -> bool:
        return bool(np.abs(self.log()[0]).max() < 0.1)
