"""Runs nodes: one, or several in a process on one loop; starts them in order and ends them in order."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from gpc_ros.errors import GpcError
from gpc_ros.nodes import network, realtime
from gpc_ros.nodes.leaving import PATIENCE_S, leave_within
from gpc_ros.nodes.loop import Loop
from gpc_ros.nodes.shell import Shell


def run(shells: Sequence[type[Shell]], args: Sequence[str] | None = None) -> int:
    """Run one node, or several in one process on one loop; the exit code.

    SIGINT, SIGTERM and SIGHUP end it in order: loop, last words, report. Mistakes of the user are one line and code 2.

    Args:
        shells: the nodes.
        args: of ROS; None: those of the process, which is then expected to end at once.
    """
    try:
        return _run(shells, args)
    except GpcError as error:
        return _refused(shells, error)


def _run(shells: Sequence[type[Shell]], args: Sequence[str] | None) -> int:
    network.check_security()
    network.close_unless_told()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    context = rclpy.get_default_context()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os._exit(1) if stop.is_set() else stop.set())
    loop = Loop(context)
    nodes: list[Shell] = []
    code = 1
    executor = SingleThreadedExecutor(context=context)
    try:
        for shell in shells:
            nodes.append(shell(loop, context))
            nodes[-1].ending = stop
            executor.add_node(nodes[-1].node)
        network.refuse_duplicates([node.node for node in nodes])
        network.check_closed()
        loop.report = lambda line: nodes[0].say("error", line)
        for node in nodes:
            node.warm_up()
        loop.start(lambda: realtime.set_up(nodes[0].value.realtime, nodes[0].node.get_logger().info))
        for node in nodes:
            node.start()
        while not stop.is_set() and not any(node.finished.is_set() for node in nodes):
            loop.guard(executor.spin_once, 0.05)  # a parameter or service callback that raises must not end the node
        code = 0
    except GpcError as error:
        code = _refused(shells, error)
    finally:
        loop.stop()
        for node in nodes:
            node.close()
            node.be_heard_out()
        _report(nodes)
        if args is None:  # the process is the nodes' own
            leave_within(PATIENCE_S, code)
        executor.shutdown(timeout_sec=0.1)
        rclpy.try_shutdown(context=context)
    return code


def _refused(shells: Sequence[type[Shell]], error: GpcError) -> int:
    print(f"gpc_ros {' '.join(shell.name for shell in shells)}: {error}", file=sys.stderr)
    return 2


def _report(nodes: Sequence[Shell]) -> None:
    for node in nodes:
        if file := node.value.report:
            content = {**node.summary(), "events": node.counts, "exceptions": node.loop.counts}
            Path(file).write_text(json.dumps(content, default=str))
