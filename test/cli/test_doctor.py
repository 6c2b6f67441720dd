"""Every check with a machine that is well and one that is not; the verdict, the table, the JSON."""

from __future__ import annotations

import argparse
import fcntl
import io
import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gpc_ros.cli import checks, doctor, loopback
from gpc_ros.cli.checks import Check
from gpc_ros.clock import Deadline, FakeClock
from gpc_ros.errors import GpcError

WELL = {"rmw": "rmw_fastrtps_cpp", "sent": 50, "returned": 50, "median_ms": 0.5, "open_ports": []}


def installed(**versions: str) -> Any:
    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    return version


@pytest.mark.parametrize(
    ("found", "ok"), [((3, 10, 9), False), ((3, 11, 0), True), ((3, 13, 2), True), ((3, 14, 0), False)]
)
def test_python(found: tuple[int, int, int], ok: bool) -> None:
    assert checks.python_version(found).ok is ok


@pytest.mark.parametrize(
    ("versions", "ok"),
    [
        ({}, False),
        ({"mujoco": "3.4.9"}, False),
        ({"mujoco": "3.5.0"}, True),
        ({"mujoco": "3.17.0"}, True),
        ({"mujoco": "4.0.0"}, False),
        ({"mujoco": "4.0.1"}, True),
        ({"mujoco": "5.0.0"}, False),
    ],
)
def test_mujoco(versions: dict[str, str], ok: bool) -> None:
    check = checks.mujoco_version(installed(**versions))
    assert check.ok is ok
    assert check.required


def udp_table(folder: Path, *ports: int) -> Path:
    table = folder / "udp"
    rows = [f" {n}: 0100007F:{port:04X} 00000000:0000 07" for n, port in enumerate(ports)]
    table.write_text("\n".join(["  sl  local_address rem_address   st", *rows]))
    return table


@pytest.mark.parametrize(
    ("domain", "ok", "required"),
    [("", True, False), ("7", True, False), ("150", False, False), ("233", False, True), ("-1", False, True)],
)
def test_domain_range(tmp_path: Path, domain: str, ok: bool, required: bool) -> None:
    check = checks.domain({"ROS_DOMAIN_ID": domain}, udp_table(tmp_path))
    assert (check.ok, check.required) == (ok, required)


def test_domain_counts_the_participants_in_it(tmp_path: Path) -> None:
    in_seven = [7400 + 250 * 7 + offset for offset in (0, 1, 10, 11, 12, 13)]  # multicast, then two participants
    table = udp_table(tmp_path, *in_seven, 7410, 53)
    assert "2 participants" in checks.domain({"ROS_DOMAIN_ID": "7"}, table).detail
    assert "nobody" in checks.domain({"ROS_DOMAIN_ID": "8"}, table).detail


def test_peers() -> None:
    assert checks.peers({}).ok
    check = checks.peers({"ROS_STATIC_PEERS": "robot.local"})
    assert not check.ok
    assert "robot.local" in check.detail


def test_realtime_rights() -> None:
    assert checks.realtime_priority(lambda: True).ok
    refused = checks.realtime_priority(lambda: False)
    assert not refused.ok
    assert not refused.required


@pytest.mark.parametrize(
    ("limit", "root", "ok"), [(8 << 20, False, False), (8 << 20, True, True), (1 << 30, False, True), (-1, False, True)]
)
def test_locked_memory(limit: int, root: bool, ok: bool) -> None:
    assert checks.locked_memory(limit, root=root).ok is ok


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


@pytest.mark.parametrize(
    ("governors", "ok"), [([], True), (["performance", "performance"], True), (["performance", "powersave"], False)]
)
def test_cpu_governor(tmp_path: Path, governors: list[str], ok: bool) -> None:
    for core, governor in enumerate(governors):
        write(tmp_path / f"cpu{core}" / "cpufreq" / "scaling_governor", governor)
    assert checks.cpu_governor(tmp_path).ok is ok


@pytest.mark.parametrize(
    ("driver", "polled_ns", "ok"), [("haltpoll", 0, False), ("haltpoll", 200000, True), ("intel_idle", 0, True)]
)
def test_halt_polling(tmp_path: Path, driver: str, polled_ns: int, ok: bool) -> None:
    write(tmp_path / "cpuidle" / "current_driver", driver)
    write(tmp_path / "guest_halt_poll_ns", str(polled_ns))
    assert checks.halt_polling(tmp_path, tmp_path).ok is ok


def test_halt_polling_without_cpuidle(tmp_path: Path) -> None:
    assert checks.halt_polling(tmp_path, tmp_path).ok


@pytest.mark.parametrize(("late_s", "ok"), [(0.0001, True), (0.0002, False)])
def test_wake_ups(late_s: float, ok: bool) -> None:
    clock = FakeClock()
    deadline = Deadline(2_000_000, clock=clock, sleep=lambda seconds: clock.sleep(seconds + late_s))
    check = checks.wake_ups(deadline, 20, fix="mend this")
    assert check.ok is ok
    assert f"median {1e3 * late_s:.3f} ms" in check.detail
    assert check.fix == "mend this"


def test_shared_memory_tells_the_dead_from_the_living(tmp_path: Path) -> None:
    for name in ("fastdds_dead", "fastdds_alive"):
        write(tmp_path / name, "x" * 100)
        write(tmp_path / f"{name}_el", "")
    with (tmp_path / "fastdds_alive_el").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert checks.shared_memory(tmp_path).detail.startswith("1 segments")
        (tmp_path / "fastdds_dead_el").unlink()
        assert checks.shared_memory(tmp_path).ok


def test_inference_is_told_only_where_it_is_installed() -> None:
    assert checks.inference(installed()) == []


def test_the_machine_checks_have_distinct_names_and_a_way_out() -> None:
    found = checks.machine({})
    assert len({check.name for check in found}) == len(found) > 1
    assert all(check.ok or check.fix for check in found)


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({}, []),
        ({"rmw": "rmw_cyclonedds_cpp"}, ["ros"]),
        ({"returned": 49}, ["loopback"]),
        ({"sent": 0, "returned": 0, "median_ms": None}, ["loopback"]),
        ({"open_ports": [7412]}, ["closed network"]),
        ({"error": "no module"}, ["ros"]),
    ],
)
def test_judging_a_round_trip(change: dict[str, Any], failed: list[str]) -> None:
    found = doctor.judge({**WELL, **change})
    assert [check.name for check in found if not check.ok] == failed


def test_security_is_refused_on_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_SECURITY_ENABLE", "true")
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    (check,) = doctor.middleware()
    assert (check.name, check.ok, check.required) == ("security", False, True)


def test_absent_ros_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    (check,) = doctor.middleware()
    assert (check.name, check.ok) == ("ros", False)
    with pytest.raises(GpcError, match=r"no rclpy: .*pip install"):
        doctor.require_ros()


def test_static_peers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: object())
    doctor.require_ros()
    monkeypatch.setenv("ROS_STATIC_PEERS", "10.1.2.3")
    (check,) = doctor.middleware()
    assert (check.name, check.ok) == ("loopback", False)


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    doctor.add_parser(parser.add_subparsers())
    return parser.parse_args(["doctor", *words])


GOOD = Check("good", True, "fine", "nothing [to] mend")
OPTIONAL = Check("optional", False, "slow [very]", "echo 1 | sudo tee /sys/[x]/" + "y" * 100)
NEEDED = Check("needed", False, "absent", "install it", required=True)


def test_only_required_checks_fail_the_command() -> None:
    assert doctor.exit_code([GOOD, OPTIONAL]) == 0
    assert doctor.exit_code([GOOD, NEEDED]) == 1


def test_the_table_gives_each_fix_on_one_line() -> None:
    console = Console(file=io.StringIO(), width=60)
    doctor.show([GOOD, OPTIONAL, NEEDED], console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert f"optional: {OPTIONAL.fix}" in lines
    assert "needed: install it" in lines
    assert not any(GOOD.fix in line for line in lines)


def test_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "machine", lambda environment: [GOOD])
    monkeypatch.setattr(doctor, "middleware", lambda: [NEEDED])
    file = tmp_path / "doctor.json"
    assert doctor.run(arguments("--json", str(file))) == 1
    written = json.loads(file.read_text())["checks"]
    assert [check["name"] for check in written] == ["good", "needed"]
    assert set(written[0]) >= {"name", "ok", "detail", "fix"}


def test_json_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "machine", lambda environment: [])
    monkeypatch.setattr(doctor, "middleware", list)
    with pytest.raises(GpcError, match="absent"):
        doctor.run(arguments("--json", str(tmp_path / "absent" / "doctor.json")))


@pytest.mark.ros
def test_a_round_trip_between_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rclpy")
    monkeypatch.delenv("ROS_STATIC_PEERS", raising=False)
    answer = loopback.round_trip()
    assert answer["sent"] > 0
    assert answer["returned"] > 0
    assert answer["open_ports"] == []


@pytest.mark.ros
def test_a_round_trip_that_cannot_begin_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rclpy")
    monkeypatch.delenv("ROS_STATIC_PEERS", raising=False)
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_of_nobody")
    assert "rmw_of_nobody" in loopback.round_trip()["error"]
