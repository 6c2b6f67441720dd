"""The teacher on Ray answers as the one in this process does, whoever of its workers dies meanwhile."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

pytest.importorskip("torch")
pytest.importorskip("tensorboard")
ray = pytest.importorskip("ray")

from gpc_ros.errors import GpcError, InvalidParameter  # noqa: E402
from gpc_ros.learning import ray_teacher  # noqa: E402
from gpc_ros.learning.batched_search import Answer, Problem  # noqa: E402
from gpc_ros.learning.ray_teacher import Cluster, Worker, identity  # noqa: E402
from gpc_ros.learning.teacher import Teacher, TeacherSettings  # noqa: E402
from gpc_ros.learning.training import Training  # noqa: E402
from gpc_ros.learning.value import TerminalValueNetwork  # noqa: E402
from gpc_ros.tasks.cart_pole import CartPole  # noqa: E402
from gpc_ros.tasks.pendulum import Pendulum  # noqa: E402

pytestmark = pytest.mark.slow

TASK = Pendulum()
PLAIN = TeacherSettings(tiny.spc_parameters())
SPREAD = np.array([0.1, 0.3])


def processes_of(folder: str) -> list[str]:
    """Command lines of the processes that were told to keep their files in ``folder``, which Ray's are."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return [line for line in found if folder in line]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def running(lines: list[str]) -> Iterator[Cluster]:
    """Two workers on a cluster of their own, of which nothing is left in the end."""
    folder = tempfile.mkdtemp(prefix="ray")  # Ray wants a short name: it holds sockets
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        cluster = Cluster("local", "pendulum", workers=2, say=lines.append)
    assert processes_of(folder)
    yield cluster
    cluster.close()
    end = time.monotonic() + 60.0
    while processes_of(folder) and time.monotonic() < end:
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)
    assert processes_of(folder) == []


@pytest.fixture
def cluster(running: Cluster, lines: list[str]) -> Cluster:
    """The same with both workers there, whatever the last test did to them."""
    settle(running)
    assert len(running._idle) == 2
    lines.clear()
    return running


def kill(worker: Any) -> None:
    """Kill it, and wait until it is dead."""
    ray.kill(worker)
    with contextlib.suppress(ray.exceptions.RayActorError):
        while True:
            ray.get(worker.check.remote("pendulum", {}))


def settle(cluster: Cluster) -> None:
    """Wait until all workers have started."""
    while cluster._starting:
        cluster._ended({})


def problem(count: int) -> Problem:
    rng = np.random.default_rng(count)
    shape = (3, TASK.model.nu)
    qpos, qvel = rng.normal(size=(count, 1)), rng.normal(size=(count, 1))
    return Problem(qpos, qvel, np.empty((count, 0)), np.zeros((count, *shape)), rng.normal(size=(count, 2, *shape)))


def value(seed: int) -> TerminalValueNetwork:
    network = TerminalValueNetwork(TASK, 3, seed=seed)
    rng = np.random.default_rng(seed)
    network.fit(rng.normal(size=(40, 3)), rng.random(40), steps=3, seed=np.random.SeedSequence(seed))
    return network


def assert_same(found: Answer, expected: Answer) -> None:
    for name in ("plans", "costs", "drawn", "seed", "physics_steps"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    for name in expected.beside.__slots__:
        np.testing.assert_array_equal(getattr(found.beside, name), getattr(expected.beside, name), err_msg=name)


def assert_alike(cluster: Cluster, count: int = 5, **settings: Any) -> None:
    """The cluster's answer is that of this process."""
    given = TeacherSettings(tiny.spc_parameters(samples=4, polish=1), **settings)
    here, there = (make(TASK, given) for make in (Teacher, cluster.teacher))
    assert there.spline.num_knots == here.spline.num_knots == 3
    rngs = [np.random.default_rng(7) for _ in range(2)]
    for _ in range(2):  # the same generators go on from one replan to the next
        assert_same(*(each.improve(problem(count), rng) for each, rng in zip((there, here), rngs, strict=True)))


@pytest.mark.parametrize("count", [1, 5])
def test_the_answers_are_those_of_threads(cluster: Cluster, lines: list[str], count: int) -> None:
    assert_alike(cluster, count, beside=2, spread=SPREAD)
    assert lines == []


def test_workers_take_on_each_learned_value(cluster: Cluster) -> None:
    for settings in ({"terminal_value": value(0)}, {"terminal_value": value(1)}, {}):
        assert_alike(cluster, **settings)


def test_it_says_who_works(cluster: Cluster) -> None:
    assert cluster.teacher(TASK, PLAIN).workers == "2 workers on Ray"


def training(folder: Path, **options: Any) -> Training:
    settings = {**tiny.TRAIN, "terminal_value": True, "nearby": 2, "restart_share": 0.5}
    return Training("pendulum", folder, train=settings, spc=tiny.SPC, **options)


def test_a_training_goes_on_with_it_and_without_it(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pendulum, "episode_s", 0.1)
    whole = training(tmp_path / "whole")
    whole.run()
    for options, slices in (({}, 2), ({"teachers": cluster.teacher}, 4), ({}, None)):
        left = iter([False] * slices) if slices else None
        parted = training(tmp_path / "parted", **options)
        ended = parted.run(stop=lambda left=left: left is not None and next(left, True))
        assert ended == (left is None)
    tiny.assert_same(parted.trainer, whole.trainer)


def test_a_worker_that_died_is_replaced(cluster: Cluster, lines: list[str]) -> None:
    kill(cluster._idle[0][0])
    assert_alike(cluster, beside=2, spread=SPREAD)
    (line,) = lines
    assert line.startswith("Ray: the worker on ")
    assert line.endswith("was lost (it was killed by `ray.kill`); its environments go to another one")


def kill_all(cluster: Cluster) -> None:
    """The next replan needs new workers then."""
    for worker, _ in cluster._idle:
        kill(worker)


def test_a_worker_that_dies_at_work_is_replaced(
    cluster: Cluster, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive, dead = tmp_path / "alive", tmp_path / "dead"
    alive.touch()

    class Mortal(Worker):
        def improve(self, *given: Any) -> Answer:
            try:
                alive.rename(dead)
            except FileNotFoundError:
                return super().improve(*given)
            os._exit(1)

    monkeypatch.setattr(ray_teacher, "Worker", Mortal)
    kill_all(cluster)
    assert_alike(cluster, beside=2, spread=SPREAD)
    assert dead.exists()
    assert len(lines) == 2 + 1
    assert "was lost (its worker process has died); its environments go to another one" in lines[-1]


def test_environments_that_no_worker_survives_are_given_up(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    class Doomed(Worker):
        def improve(self, *given: Any) -> Answer:
            os._exit(1)

    with monkeypatch.context() as patch:
        patch.setattr(ray_teacher, "Worker", Doomed)
        kill_all(cluster)
        with pytest.raises(GpcError, match=r"^Ray: .* lost \(.*\), with the same environments 3 times in a row; the"):
            cluster.teacher(TASK, PLAIN).improve(problem(1), np.random.default_rng(0))
    settle(cluster)
    kill_all(cluster)
    assert_alike(cluster)


def test_workers_that_do_not_start_are_given_up(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stillborn(Worker):
        def __init__(self) -> None:
            raise ModuleNotFoundError("No module named 'mujoco'")

    kill_all(cluster)
    cluster._idle.clear()
    with monkeypatch.context() as patch:
        patch.setattr(ray_teacher, "Worker", Stillborn)
        cluster._start()
        with pytest.raises(GpcError, match=r"no worker starts: ModuleNotFoundError: No module named 'mujoco'$"):
            settle(cluster)
    cluster._start_all()
    assert_alike(cluster)


def test_workers_without_a_cpu_are_not_awaited_for_ever(
    cluster: Cluster, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    idle, cluster._idle = cluster._idle, []
    monkeypatch.setattr(ray_teacher, "_START_S", 0.0)
    with pytest.raises(
        GpcError, match=r"^Ray at local: no worker started in 0 s; each needs a CPU that nobody else uses"
    ):
        cluster._start_all()
    with pytest.raises(
        GpcError, match=r"^Ray at local: no worker started in 0 s; each needs a CPU that nobody else uses"
    ):
        cluster._ended({})
    cluster._idle = idle
    cluster._start_all()
    assert lines == [
        "Ray: 2 of 2 workers started in 0 s; the others join when the cluster has a CPU for them (it has 2)"
    ]
    for worker in cluster._starting.values():
        ray.kill(worker)
    cluster._starting.clear()
    assert_alike(cluster)


def test_a_worker_with_something_else_is_refused(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_identity", {**identity("pendulum"), "mujoco": "2.0"})
    worker = Worker()
    for name in identity("pendulum"):
        with pytest.raises(
            GpcError, match=rf"^the worker on .+ has {name} .+, the training 0; install the same on all"
        ):
            worker.check("pendulum", {**identity("pendulum"), name: "0"})
    with pytest.raises(GpcError, match=r"^the worker on .+: unknown robot 'pendulums'"):
        worker.check("pendulums", {})
    worker = ray.remote(num_cpus=0)(Worker).remote()
    cluster._starting[worker.check.remote("pendulums", {})] = worker
    with pytest.raises(GpcError, match=r"^the worker on .+: unknown robot 'pendulums'") as found:
        cluster._ended({})
    assert "\n" not in str(found.value)


def test_what_goes_wrong_in_a_worker_is_told(cluster: Cluster) -> None:
    given = problem(3)
    short = Problem(given.qpos, given.qvel[:, :0], given.goal, given.nominal, given.seeds)
    with pytest.raises(ray.exceptions.RayTaskError, match="batched_search"):
        cluster.teacher(TASK, PLAIN).improve(short, np.random.default_rng(0))
    assert_alike(cluster)


def test_settings_that_cannot_be_are_refused_at_once(cluster: Cluster) -> None:
    with pytest.raises(InvalidParameter, match="spc: 1 knots: cubic interpolation"):
        cluster.teacher(TASK, TeacherSettings(tiny.spc_parameters(interpolation="cubic", knots=1)))
    with pytest.raises(GpcError, match="workers for pendulum cannot plan for the task CartPole"):
        cluster.teacher(CartPole(), PLAIN)
    with pytest.raises(GpcError, match="workers for pendulum cannot plan for the task ShortPendulum"):
        cluster.teacher(tiny.ShortPendulum(), PLAIN)


@pytest.mark.parametrize("address", ["nonsense", "host:port", ":6379", "host:", "ray://host:10001", "6379"])
def test_addresses_that_cannot_be_are_refused(address: str) -> None:
    with pytest.raises(GpcError, match=f"^no Ray cluster at {address}: expected auto, local or HOST:PORT of the"):
        Cluster(address, "pendulum")


@pytest.mark.parametrize("through", ["option", "environment"])
def test_an_address_where_nobody_listens_is_refused(through: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        if through == "environment":
            monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(GpcError, match=f"^no Ray cluster at {address}: Connection refused; ray status on its head"):
            Cluster(address if through == "option" else "auto", "pendulum")


@pytest.mark.parametrize(
    ("address", "error", "told"),
    [
        ("auto", ConnectionError("set the --address\nflag"), "none runs on this machine; give HOST:PORT of its head"),
        ("local", RuntimeError("Version\nmismatch"), "Version mismatch"),
    ],
)
def test_what_ray_says_becomes_one_line(
    address: str, error: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**options: Any) -> None:
        assert options["address"] == address
        assert not options["log_to_driver"]
        raise error

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(GpcError, match=f"^no Ray cluster at {address}: {told}"):
        Cluster(address, "pendulum")
