"""The teacher on Ray, for robots whose training one machine is too slow for. Ray is an extra: ``gpc_ros[ray]``.

Every worker plans for a share of the environments, as each thread of ``teacher.Teacher`` does, so that the answers are
the same. A worker keeps nothing that is needed: when one dies, its share is planned for anew by another.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import os
import platform
import re
import secrets
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

import gpc_ros
from gpc_ros import registry
from gpc_ros.errors import GpcError
from gpc_ros.learning.batched_search import Answer, BatchedSearch, Problem
from gpc_ros.learning.teacher import Share, TeacherSettings, divided, joined, search
from gpc_ros.tasks.base import Task

# Ray reads these when it is imported or started: no figures sent to its makers, and what it has to say of workers that
# died, a paragraph each, is said here in a line.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as error:
    raise GpcError(f"--ray needs {error.name}: python3 -m pip install 'gpc_ros[ray]'") from None

_ANSWER_S = 5.0  # for the machine at the address to take a connection: Ray itself tries for minutes
_START_S = 60.0  # for workers to start; on a busy cluster some may have to wait for CPUs
_MOST_LOSSES = 3  # of one share, or of workers that start, in a row: then it is no accident


class Worker:
    """What runs on Ray: one thread, which plans for one share at a time."""

    def __init__(self) -> None:
        self._recipe: list[Any] = []
        self._search: BatchedSearch | None = None

    def check(self, robot: str, expected: Mapping[str, str]) -> str:
        """The name of the worker's machine, if what the answers depend on is ``expected`` there.

        Raises:
            GpcError: names the machine, and what is missing there or another than expected.
        """
        host = platform.node()
        try:
            found = identity(robot)
        except GpcError as error:
            raise GpcError(f"the worker on {host}: {error}") from None
        for name, value in expected.items():
            if found[name] != value:
                raise GpcError(
                    f"the worker on {host} has {name} {found[name]}, the training {value}; install the same on all "
                    "machines"
                )
        return host

    def improve(self, recipe: list[Any], problem: Problem, generators: list[np.random.Generator]) -> Answer:
        """As ``BatchedSearch.improve``, made by the one reference in ``recipe``, in a list so that Ray leaves it so."""
        if self._search is None or recipe != self._recipe:
            robot, settings = ray.get(recipe[0])
            self._search = search(registry.load("tasks", robot, Task)(), settings)
            self._recipe = recipe
        return self._search.improve(problem, generators)


class Cluster:
    """A connection to Ray with workers for one robot, one CPU each. There can be one at a time in a process.

    Args:
        address: ``auto``, the cluster that this machine is part of; ``HOST:PORT`` of its head; or ``local``, to start
            one for this process alone.
        robot: its name.
        workers: how many; None: as many as the cluster has CPUs.
        say: takes a line to tell when a worker is lost.

    Attributes:
        count: how many workers there are, or will be once those lost are replaced.

    Raises:
        GpcError: if there is no cluster, or no worker starts, or one starts with another version of what it needs.
        UnknownName: if there is no such robot.
    """

    def __init__(
        self, address: str, robot: str, *, workers: int | None = None, say: Callable[[str], None] = print
    ) -> None:
        self._address, self._robot, self._say = address, robot, say
        self._identity = identity(robot)
        self._starting: dict[Any, Any] = {}  # workers by reference to what ``check`` says
        self._idle: list[tuple[Any, str]] = []  # workers and where they are
        self._failed_starts = 0
        _connect(address, workers)
        try:
            self.count = workers or int(ray.cluster_resources().get("CPU", 0))
            self._start_all()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the workers and the connection, and a cluster that was started for this process."""
        self._starting, self._idle = {}, []
        ray.shutdown()

    def teacher(self, task: Task, settings: TeacherSettings, *, threads: int = 1) -> RayTeacher:
        """A teacher with these workers, as ``Teacher`` makes one with ``threads``, which are not used here.

        Raises:
            GpcError: if the task is not that of the robot.
        """
        del threads
        if type(task) is not registry.load("tasks", self._robot, Task):
            raise GpcError(f"workers for {self._robot} cannot plan for the task {type(task).__qualname__}")
        return RayTeacher(self, task, settings)

    def improve(self, recipe: Any, shares: Sequence[Share]) -> list[Answer]:
        """The answers to ``shares``, in their order, of searches by the ``recipe`` that ``RayTeacher`` put.

        Raises:
            GpcError: if a share was lost with its worker too often, or no worker is left.
        """
        waiting, losses = deque(range(len(shares))), Counter[int]()
        answers: dict[int, Answer] = {}
        running: dict[Any, tuple[int, tuple[Any, str]]] = {}
        try:
            while len(answers) < len(shares):
                while waiting and self._idle:
                    index, worker = waiting.popleft(), self._idle.pop()
                    running[worker[0].improve.remote([recipe], *shares[index])] = index, worker
                for reference in self._ended(running):
                    index, worker = running.pop(reference)
                    try:
                        answers[index] = ray.get(reference)
                    except RayTaskError as error:
                        self._idle.append(worker)
                        raise _own(error) from None
                    except RayError as error:
                        losses[index] += 1
                        self._replace(worker, error, losses[index])
                        waiting.append(index)
                    else:
                        self._idle.append(worker)
        finally:
            self._idle += [worker for _, worker in running.values()]
        return [answers[index] for index in range(len(shares))]

    def _ended(self, running: Mapping[Any, Any]) -> list[Any]:
        """Wait until something happens; of ``running``, what has ended by then."""
        timeout = None if running else _START_S
        found, _ = ray.wait([*running, *self._starting], num_returns=1, timeout=timeout)
        if not found:
            raise self._none_started()
        ended = [reference for reference in found if reference in running]
        for reference in found:
            if reference not in running:
                self._admit(reference, alone=not running)
        return ended

    def _start_all(self) -> None:
        for _ in range(self.count):
            self._start()
        end = time.monotonic() + _START_S
        while self._starting and (left := end - time.monotonic()) > 0:
            found, _ = ray.wait(list(self._starting), num_returns=1, timeout=left)
            for reference in found:
                self._admit(reference, alone=True)
        if not self._idle:
            raise self._none_started()
        if self._starting:
            self._say(
                f"Ray: {len(self._idle)} of {self.count} workers started in {_START_S:g} s; the others join when the "
                f"cluster has a CPU for them (it has {ray.cluster_resources().get('CPU', 0):g})"
            )

    def _start(self) -> None:
        worker = ray.remote(num_cpus=1, max_restarts=0)(Worker).remote()
        self._starting[worker.check.remote(self._robot, self._identity)] = worker

    def _admit(self, reference: Any, *, alone: bool) -> None:
        """Take on a worker that has started, or start another one in its place; ``alone``: no other one is at work.

        While others are at work the training goes on, however often it takes: a machine may be about to come back.
        """
        worker = self._starting.pop(reference)
        try:
            self._idle.append((worker, ray.get(reference)))
            self._failed_starts = 0
        except RayTaskError as error:
            raise _own(error) from None
        except RayError as error:
            self._failed_starts += 1
            if alone and not self._idle and self._failed_starts >= _MOST_LOSSES:
                raise GpcError(f"Ray at {self._address}: no worker starts: {_reason(error)}") from None
            self._start()

    def _replace(self, worker: tuple[Any, str], error: RayError, losses: int) -> None:
        ray.kill(worker[0])  # one that cannot be reached may still be there, and hold its CPU
        self._start()
        line = f"Ray: the worker on {worker[1]} was lost ({_reason(error)})"
        if losses >= _MOST_LOSSES:
            raise GpcError(f"{line}, with the same environments {losses} times in a row; the same command goes on")
        self._say(f"{line}; its environments go to another one")

    def _none_started(self) -> GpcError:
        return GpcError(
            f"Ray at {self._address}: no worker started in {_START_S:g} s; each needs a CPU that nobody else uses, and "
            f"the cluster has {ray.cluster_resources().get('CPU', 0):g}"
        )


class RayTeacher:
    """``Teacher`` with the workers of a ``Cluster``, which makes it.

    Attributes:
        spline: how plans become controls.
        workers: among whom the work is divided, in words.

    Raises:
        InvalidParameter, UnknownName: as ``BatchedSearch``.
    """

    def __init__(self, cluster: Cluster, task: Task, settings: TeacherSettings) -> None:
        self.spline = search(task, settings).spline  # what cannot be is refused here, not by every worker
        self.workers = f"{cluster.count} worker{'s' if cluster.count > 1 else ''} on Ray"
        self._cluster, self._recipe = cluster, ray.put((task.name, settings))

    def improve(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """One replan in each environment.

        Raises:
            GpcError: if workers are lost again and again.
        """
        return joined(self._cluster.improve(self._recipe, divided(problem, rng, self._cluster.count)))


def identity(robot: str) -> dict[str, str]:
    """What has to be the same on all machines for the answers to be the same, by name.

    Raises:
        UnknownName, GpcError: if there is no such robot here, or it cannot be loaded.
    """
    task: Task = registry.load("tasks", robot, Task)()
    files = {Path(inspect.getfile(kind)) for kind in type(task).__mro__ if issubclass(kind, Task)} | {task.model_file}
    contents = sorted(hashlib.sha256(file.read_bytes()).digest() for file in files if file.exists())
    return {
        "gpc_ros": gpc_ros.__version__,
        "mujoco": mujoco.__version__,
        "numpy": np.__version__,
        f"files of {robot} with the digest": hashlib.sha256(b"".join(contents)).hexdigest()[:8],
    }


def _connect(address: str, workers: int | None) -> None:
    options: dict[str, Any] = {"address": address}
    if address == "local":
        options |= {"num_cpus": workers, "include_dashboard": False}
        # Its ports are open to the network, and it runs what it is sent there. Ray then wants a token, and would keep
        # one of its own in the user's home.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ.setdefault("RAY_worker_niceness", "0")  # these workers are the training, not guests of the machine
    else:
        _listens(os.environ.get("RAY_ADDRESS", address) if address == "auto" else address)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # whatever Ray may raise: it has no class for this
        reason = " ".join(str(error).split())
        if address == "auto" and isinstance(error, ConnectionError):
            reason = "none runs on this machine; give HOST:PORT of its head, or local, or ray start --head first"
        raise GpcError(f"no Ray cluster at {address}: {reason}") from None


def _listens(address: str) -> None:
    """Refuse an address at which nobody listens."""
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal()) or "/" in host:
        raise GpcError(f"no Ray cluster at {address}: expected auto, local or HOST:PORT of the cluster's head")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GpcError(f"no Ray cluster at {address}: {reason}; ray status on its head tells") from None


def _own(error: RayTaskError) -> Exception:
    """What a worker raised: a mistake of the user as it is, anything else with the worker's traceback."""
    return error.cause if isinstance(error.cause, GpcError) else error


def _reason(error: RayError) -> str:
    """Why a worker was lost, without what Ray has to say of common causes."""
    text = " ".join(str(error).split())
    if found := re.search(r"The actor is dead because (.+?)\.(?: |$)", text):
        return found[1]
    last = str(error).strip().splitlines()[-1:]  # of a traceback
    return last[0].strip() if last else type(error).__name__
