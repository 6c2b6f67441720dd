"""The stages of ``gpc bench`` that run the stack on ROS 2: alone, watched, and with the page open."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gpc_ros.errors import GpcError

_RING_S = 8.0
_WATCHED_S = 30.0
_COMES_S = 60.0  # until the page is there: a guard against hanging
Record = dict[str, float | str]
"""Of a stage: p50, p99 [ms], what limits it (limit, limit_p50 and, for some, limit_p99), their ratio, more in words."""


def stack(robot: str) -> Record:
    """Measurement to command through the stack's processes against an empty ring of as many hand-overs."""
    require_ros()
    ring = _ring()
    alone = _up(robot, _RING_S, "--no-web", "--no-monitor")["latency_ms"]
    return _record(alone, ring, "empty ring through two other processes")


def watched(robot: str) -> Record:
    """The stack with monitor, markers and a recording against the stack alone."""
    require_ros()
    alone = _up(robot, _WATCHED_S, "--no-web", "--no-monitor")
    with tempfile.TemporaryDirectory() as folder:
        found = _up(robot, _WATCHED_S, "--no-web", "--record", folder)
    cpu = {name: found["nodes"][name]["cpu_percent"] for name in ("monitor", "recorder")}
    more = f"{sum(cpu.values()):.0f} % of a core: " + ", ".join(f"{name} {value:.0f} %" for name, value in cpu.items())
    return {**_record(found["latency_ms"], alone["latency_ms"], "the stack alone"), "more": more}


def page(robot: str) -> Record:
    """The stack with a page that is looked at against the stack with one that is not."""
    require_ros()
    from gpc_ros.viz.page.extra import viser  # noqa: F401 - where it is missing, that is to be said here

    unseen = _up(robot, _WATCHED_S)
    frames: list[float] = []
    found = _up(robot, _WATCHED_S, look=frames)
    more = f"{frames[0]:.3g} frames/s, web {found['nodes']['web']['cpu_percent']:.0f} % of a core"
    return {**_record(found["latency_ms"], unseen["latency_ms"], "the stack, the page not looked at"), "more": more}


def _record(found: dict[str, float], limit: dict[str, float], words: str) -> Record:
    return {
        "p50": found["p50"],
        "p99": found["p99"],
        "limit_p50": limit["p50"],
        "limit_p99": limit["p99"],
        "ratio": found["p50"] / limit["p50"],
        "limit": words,
    }


def _up(robot: str, duration_s: float, *options: str, look: list[float] | None = None) -> dict[str, Any]:
    """The summary of a run of ``gpc up``; with ``look``, frames per second of the page are appended to it."""
    with tempfile.TemporaryDirectory() as folder:
        file, port = Path(folder) / "up.json", _free_port()
        command = [sys.executable, "-m", "gpc_ros.cli.main", "up", robot, "--duration", str(duration_s)]
        command += ["--json", str(file), *options]
        if "--no-web" not in options:
            command += ["-p", f"web.port={port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment()) as process:
            try:
                if look is not None:
                    look.append(_looked_at(process, port, 0.5 * duration_s))
                _, errors = process.communicate(timeout=60 + 2 * duration_s)
            finally:
                process.terminate()
        if process.returncode:
            raise GpcError(f"gpc up failed: {errors.decode().strip()}")
        return json.loads(file.read_text())


def _looked_at(process: subprocess.Popen[bytes], port: int, duration_s: float) -> float:
    """Look at the page until the end; frames per second over ``duration_s``."""
    from gpc_ros.viz.page.viewer import Viewer

    end = time.monotonic() + _COMES_S
    while True:
        try:
            viewer = Viewer(f"http://127.0.0.1:{port}")
            break
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise GpcError("gpc up shows no page") from None
            time.sleep(0.1)
    while not viewer.frames and process.poll() is None:
        time.sleep(0.01)
    if not viewer.frames:
        raise GpcError("gpc up ended before its page moved")
    begin, before = time.monotonic(), viewer.frames
    time.sleep(duration_s)
    return (viewer.frames - before) / (time.monotonic() - begin)


def _ring() -> dict[str, float]:
    module, environment = [sys.executable, "-m", "gpc_ros.nodes.ring"], _environment()
    echoes = [
        subprocess.Popen([*module, "echo", f"ring/{source}", f"ring/{target}"], env=environment, start_new_session=True)
        for source, target in ("ab", "bc")
    ]
    try:
        time.sleep(1.5)
        done = subprocess.run(
            [*module, "ask", str(_RING_S)], capture_output=True, text=True, timeout=60, env=environment
        )
        if done.returncode:
            raise GpcError(f"the empty ring failed: {done.stderr.strip()}")
        return json.loads(done.stdout)
    finally:
        for process in echoes:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _environment() -> dict[str, str]:
    from gpc_ros.nodes import network

    return {**os.environ, **network.environment(opened=False), "ROS_DOMAIN_ID": str(os.getpid() % 100 + 1)}


def require_ros() -> None:
    """Raise GpcError where there is no ROS 2."""
    from gpc_ros.cli.doctor import require_ros as require

    require()
