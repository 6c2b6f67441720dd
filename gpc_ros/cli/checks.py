"""What on a machine stands in the way of a steady loop: each check looks at one thing and knows what mends it.

Paths of /proc and /sys are arguments, so that every answer can be tried without the machine that gives it.
"""

from __future__ import annotations

import fcntl
import os
import platform
import resource
import statistics
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gpc_ros.clock import Deadline

_SYS = Path("/sys/devices/system/cpu")
_LATE_MS = 0.15
_MEMLOCK_BYTES = 512 * 2**20
_LIMITS = "/etc/security/limits.d/90-realtime.conf"


@dataclass(frozen=True, slots=True)
class Check:
    """An answer: what was looked at, whether it is well, what was found, and the one command that mends it.

    What is not ``required`` only costs latency or a feature.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""
    required: bool = False


def python_version(found: tuple[int, int, int] = sys.version_info[:3]) -> Check:
    """Python 3.11 to 3.13, for which wheels of ROS 2 exist."""
    ok = (3, 11) <= found[:2] <= (3, 13)
    detail = f"{'.'.join(map(str, found))}; supported: 3.11 to 3.13"
    return Check("python", ok, detail, "rm -rf .venv && make demo PYTHON=python3.12", required=True)


def mujoco_version(installed: Callable[[str], str] = version) -> Check:
    """MuJoCo from 3.5 on, but not 4.0.0, whose Newton solver is wrong on sparse systems."""
    fix = "python3 -m pip install 'mujoco>=3.5,!=4.0.0,<5'"
    try:
        found = installed("mujoco")
    except PackageNotFoundError:
        return Check("mujoco", False, "not installed", fix, required=True)
    release = tuple(int(part) for part in found.split(".")[:3] if part.isdigit())
    if release == (4, 0, 0):
        return Check("mujoco", False, "4.0.0 has a wrong Hessian in its solver", fix, required=True)
    return Check("mujoco", (3, 5) <= release < (5,), f"{found}; supported: 3.5 to 4, except 4.0.0", fix, required=True)


def domain(environment: Mapping[str, str], table: Path = Path("/proc/net/udp")) -> Check:
    """``ROS_DOMAIN_ID``: a number whose ports do not run into those the system hands out; who else is in it here."""
    text = environment.get("ROS_DOMAIN_ID", "") or "0"
    fix = "export ROS_DOMAIN_ID=42"
    if not text.isascii() or not text.isdigit() or int(text) > 232:
        return Check("domain", False, f"ROS_DOMAIN_ID={text}; valid: 0 to 232, best 1 to 101", fix, required=True)
    number = int(text)
    if 101 < number < 215:
        detail = f"ROS_DOMAIN_ID={number}: its ports are also handed out to other programs; best 1 to 101"
        return Check("domain", False, detail, fix)
    first = 7400 + 250 * number
    ports = {int(line.split()[1].split(":")[1], 16) for line in table.read_text().splitlines()[1:]}
    others = len({(port - first) // 2 for port in ports if first + 10 <= port < first + 250})
    here = f"{others} participants in it on this machine" if others else "nobody else in it on this machine"
    return Check("domain", True, f"{number}, {here}; another one keeps robots apart", fix if others else "")


def peers(environment: Mapping[str, str]) -> Check:
    """``ROS_STATIC_PEERS`` names other hosts, which the closed network refuses."""
    if found := environment.get("ROS_STATIC_PEERS"):
        detail = f"ROS_STATIC_PEERS={found}: nodes start only with the network opened"
        return Check("peers", False, detail, "unset ROS_STATIC_PEERS", required=True)
    return Check("peers", True, "no other hosts asked for")


def _fifo_is_permitted() -> bool:
    """Try it, in a thread of its own so that nothing else is touched."""
    answer: list[bool] = []

    def attempt() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except OSError:
            answer.append(False)
        else:
            answer.append(True)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return answer[0]


def realtime_priority(permitted: Callable[[], bool] = _fifo_is_permitted) -> Check:
    """Whether SCHED_FIFO is permitted: under load it is the difference between 3.5 and 1 ms at the 99th percentile."""
    ok = permitted()
    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    detail = f"SCHED_FIFO {'permitted' if ok else 'refused'}, limit on the priority {limit}"
    fix = f'echo "$USER - rtprio 99" | sudo tee -a {_LIMITS}  # then log in again'
    return Check("real-time priority", ok, detail, fix)


def locked_memory(limit: int | None = None, *, root: bool | None = None) -> Check:
    """Whether a node may keep its memory resident: 512 MiB at least, or without limit."""
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] if limit is None else limit
    root = os.geteuid() == 0 if root is None else root
    unlimited = root or limit == resource.RLIM_INFINITY
    detail = (
        "no limit" if unlimited else f"limit {limit / 2**20:.0f} MiB; a node needs up to {_MEMLOCK_BYTES >> 20} MiB"
    )
    fix = f'echo "$USER - memlock unlimited" | sudo tee -a {_LIMITS}  # then log in again'
    return Check("locked memory", unlimited or limit >= _MEMLOCK_BYTES, detail, fix)


def cpu_governor(root: Path = _SYS) -> Check:
    """Whether the cores keep their clock up between two wake-ups."""
    found = sorted({path.read_text().strip() for path in root.glob("cpu[0-9]*/cpufreq/scaling_governor")})
    fix = f"echo performance | sudo tee {_SYS}/cpu*/cpufreq/scaling_governor"
    if not found:
        return Check("cpu governor", True, "the clock is not scaled here")
    return Check("cpu governor", found == ["performance"], f"{', '.join(found)}; steady: performance", fix)


def halt_polling(root: Path = _SYS, module: Path = Path("/sys/module/haltpoll/parameters")) -> Check:
    """Whether a virtual machine's idle core waits a little before it gives itself back to the host.

    Without, each wake-up passes through the host and costs about 0.2 ms; a loop of three processes has three.
    """
    driver = root / "cpuidle" / "current_driver"
    if not driver.exists() or driver.read_text().strip() != "haltpoll":
        return Check("halt polling", True, "not a virtual machine that polls")
    polled_ns = int((module / "guest_halt_poll_ns").read_text())
    fix = f"echo 4000000 | sudo tee {module}/guest_halt_poll_ns {module}/guest_halt_poll_grow_start"
    return Check("halt polling", polled_ns > 0, f"{polled_ns} ns; at 0 each wake-up costs about 0.2 ms", fix)


def wake_ups(deadline: Deadline, count: int = 250, *, fix: str = "") -> Check:
    """How late this process wakes from sleeps to ``count`` absolute deadlines."""
    late_ms = sorted(deadline.wait() / 1e6 for _ in range(count))
    median, last = statistics.median(late_ms), late_ms[round(0.99 * (count - 1))]
    detail = f"median {median:.3f} ms, p99 {last:.3f} ms late; steady: median under {_LATE_MS} ms"
    return Check("wake-ups", median <= _LATE_MS, detail, fix or "sudo cpupower idle-set --disable-by-latency 10")


def shared_memory(folder: Path = Path("/dev/shm")) -> Check:
    """Segments of Fast DDS whose process is dead: their lock files can be locked. They take memory until removed."""
    stale = []
    for lock in folder.glob("fast*_el"):
        segment = lock.with_name(lock.name.removesuffix("_el"))
        if _is_unlocked(lock):
            stale.append(segment.stat().st_size if segment.exists() else 0)
    fix = f'for f in {folder}/fast*_el; do flock -n "$f" rm -f "$f" "${{f%_el}}"; done'
    detail = (
        f"{len(stale)} segments left by dead processes, {sum(stale) / 2**20:.0f} MiB" if stale else "nothing left over"
    )
    return Check("shared memory", not stale, detail, fix)


def _is_unlocked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked by its owner, not ours to read, or gone meanwhile
        return False
    return True


def inference(installed: Callable[[str], str] = version) -> list[Check]:
    """What ONNX Runtime can run on; nothing where it is not installed."""
    for package in ("onnxruntime-gpu", "onnxruntime"):
        try:
            found = installed(package)
        except PackageNotFoundError:
            continue
        import onnxruntime

        providers = ", ".join(name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers())
        return [
            Check("inference", bool(providers), f"{package} {found}: {providers}", f"python3 -m pip install {package}")
        ]
    return []


def machine(environment: Mapping[str, str]) -> list[Check]:
    """Every check that needs no ROS. Those of the kernel only where there is a Linux."""
    found = [python_version(), mujoco_version()]
    if platform.system() == "Linux":
        found += [domain(environment), peers(environment), realtime_priority(), locked_memory()]
        slow = [cpu_governor(), halt_polling()]
        cause = next((check.fix for check in slow if not check.ok), "")
        found += [*slow, wake_ups(Deadline(2_000_000), fix=cause), shared_memory()]
    return found + inference()
