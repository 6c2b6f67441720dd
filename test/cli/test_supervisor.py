"""The supervisor: crashed processes start again, mistakes do not, and in the end nothing is left."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gpc_ros.cli.supervisor import Child, Supervisor

PATIENCE_S = 20.0
SLEEP = "import time; time.sleep(100)"


@pytest.fixture
def supervise() -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def begin(**programs: str) -> Supervisor:
        children = [Child(name, [sys.executable, "-c", program], os.environ) for name, program in programs.items()]
        made.append(Supervisor(children))
        made[-1].start()
        return made[-1]

    yield begin
    for supervisor in made:
        supervisor.stop()
        assert not any(child.poll() for child in supervisor.children)


def until_ended(supervisor: Supervisor) -> Child:
    end = time.monotonic() + PATIENCE_S
    while (ended := supervisor.watch()) is None:
        assert time.monotonic() < end, "nothing has ended"
        time.sleep(0.005)
    return ended


def test_a_process_that_ends_in_order_ends_the_run(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(long=SLEEP, short="pass")
    ended = until_ended(supervisor)
    assert (ended.name, ended.exit_code, ended.restarts) == ("short", 0, 0)


def test_a_mistake_of_the_user_is_not_repeated(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    ended = until_ended(supervise(wrong=f"open({str(tmp_path / 'runs')!r}, 'a').write('x'); raise SystemExit(2)"))
    assert (ended.exit_code, ended.restarts) == (2, 0)
    assert (tmp_path / "runs").read_text() == "x"


def test_crashes_start_again_but_not_for_ever(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    ended = until_ended(supervise(broken=f"open({str(runs)!r}, 'a').write('x'); raise SystemExit(1)"))
    assert (ended.exit_code, ended.restarts) == (1, 5)
    assert runs.read_text() == "x" * 6


def test_one_that_was_killed_starts_again_alone(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(first=SLEEP, second=SLEEP)
    first, second = supervisor.children
    before = [child.process.pid for child in supervisor.children]
    os.kill(before[0], signal.SIGKILL)
    end = time.monotonic() + PATIENCE_S
    while not first.restarts:
        assert supervisor.watch() is None
        assert time.monotonic() < end
    assert first.process.pid != before[0]
    assert second.process.pid == before[1]
    assert (first.restarts, second.restarts) == (1, 0)
    assert supervisor.summary()["first"]["exit_code"] is None  # it runs


def test_stop_lets_them_say_goodbye(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    ready, word = tmp_path / "ready", tmp_path / "word"
    program = (
        "import signal, sys, time, pathlib\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(word)!r}).write_text('bye'), sys.exit(0)))\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(100)\n"
    )
    supervisor = supervise(polite=program)
    end = time.monotonic() + PATIENCE_S
    while not ready.exists():
        assert time.monotonic() < end
        time.sleep(0.005)
    supervisor.stop(patience_s=PATIENCE_S)
    assert word.read_text() == "bye"
    assert supervisor.summary()["polite"]["exit_code"] == 0


def test_stop_does_not_wait_for_those_that_do_not_listen(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    program = (
        "import signal, time, pathlib\n"
        "for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, signal.SIG_IGN)\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(100)\n"
    )
    supervisor = supervise(deaf=program)
    end = time.monotonic() + PATIENCE_S
    while not ready.exists():
        assert time.monotonic() < end
        time.sleep(0.005)
    supervisor.stop(patience_s=0.05)
    assert supervisor.summary()["deaf"]["exit_code"] == -signal.SIGKILL


def test_the_terminals_interrupt_does_not_reach_them(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(child=SLEEP)
    assert os.getsid(supervisor.children[0].process.pid) != os.getsid(0)


def test_processor_time_adds_up_over_restarts(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(busy="sum(range(2_000_000)); raise SystemExit(1)")
    until_ended(supervisor)
    child = supervisor.children[0]
    assert child.cpu_s > 0
    assert supervisor.summary()["busy"]["cpu_percent"] > 0
    assert supervisor.summary()["busy"]["restarts"] == 5
