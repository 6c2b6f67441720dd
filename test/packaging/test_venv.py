"""requirements/venv.sh on machines of all kinds, with interpreters that only tell what they were asked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >>"$LOG"
case "$*" in
*"import rclpy"*) {rclpy} ;;
*"sys.exit(not"*) {fits} ;;
*"print("*version_info*) echo {version} ;;
*"import ensurepip"*) {venv} ;;
*"-m venv"*)
    case "$*" in *system-site*) system=true ;; *) system=false ;; esac
    mkdir -p .venv/bin && cp "$0" .venv/bin/python
    echo "include-system-site-packages = $system" >.venv/pyvenv.cfg ;;
*numpy*) echo numpy==1.26.4 ;;
*"pip install"*) {pip} ;;
esac
"""


class Machine:
    """A folder with a PATH of its own; ``run`` gives the exit code, the words, and what the interpreters were asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "path"
        self.path.mkdir()
        self.log = folder / "log"
        self.system("Linux x86_64")

    def _script(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)
        (self.path / name).chmod(0o755)

    def system(self, name: str) -> None:
        self._script("uname", f"#!/bin/sh\necho {name}\n")

    def python(self, name: str, version: str, *, rclpy: bool = False, venv: bool = True, pip: bool = True) -> None:
        fits = version in ("3.11", "3.12", "3.13")
        answers = {"rclpy": rclpy, "fits": fits, "venv": venv, "pip": pip}
        self._script(name, FAKE.format(version=version, **{key: str(value).lower() for key, value in answers.items()}))

    def run(self, *words: str, **environment: str) -> tuple[int, str, list[str]]:
        self.log.write_text("")
        variables = {"PATH": f"{self.path}:/usr/local/sbin-empty:/bin:/usr/bin", "LOG": str(self.log), **environment}
        command = ["sh", str(ROOT / "requirements" / "venv.sh"), *words]
        done = subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr, self.log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    found = Machine(tmp_path)
    for name in ("python3.13", "python3.12", "python3.11", "python3", "python"):
        found.python(name, "3.9")  # hides those of the real machine
    return found


def installs(asked: list[str]) -> list[str]:
    return [line for line in asked if "pip install" in line]


def test_the_newest_that_fits_is_taken(machine: Machine) -> None:
    machine.python("python3.11", "3.11")
    machine.python("python3.12", "3.12")
    code, words, asked = machine.run("policy")
    assert code == 0, words
    assert "python3.12 -m venv --clear .venv" in asked
    (pip,) = installs(asked)
    assert pip.endswith("--constraint requirements/lock.txt --editable .[ros,policy]")


def test_a_shim_that_cannot_run_is_passed_over(machine: Machine) -> None:
    (machine.path / "python3.13").write_text("#!/bin/sh\nexit 127\n")
    machine.python("python3", "3.11")
    code, words, _ = machine.run()
    assert code == 0
    assert "Python 3.11" in words


def test_nothing_is_made_anew_the_second_time(machine: Machine) -> None:
    machine.python("python3", "3.12")
    machine.run()
    code, _, asked = machine.run("test")
    assert code == 0
    assert not [line for line in asked if "-m venv" in line]
    assert installs(asked)[0].endswith("--editable .[ros,test]")


def test_another_python_makes_it_anew(machine: Machine) -> None:
    machine.python("python3", "3.12")
    machine.run()
    machine.python("mine", "3.13")
    _, _, asked = machine.run(PYTHON="mine")
    assert "mine -m venv --clear .venv" in asked


def test_too_old(machine: Machine) -> None:
    code, words, asked = machine.run()
    assert code == 1
    assert "needs Python 3.11, 3.12 or 3.13; python3 here is 3.9" in words
    assert not installs(asked)


@pytest.mark.parametrize("name", ["python3", "absent"])
def test_a_chosen_python_that_does_not_fit(machine: Machine, name: str) -> None:
    code, words, _ = machine.run(PYTHON=name)
    assert code == 1
    assert words.startswith(f"PYTHON={name} is {'3.9' if name == 'python3' else 'not found'}")


def test_without_the_venv_module(machine: Machine) -> None:
    machine.python("python3", "3.12", venv=False)
    code, words, asked = machine.run()
    assert code == 1
    assert "sudo apt install python3.12-venv" in words
    assert not installs(asked)


@pytest.mark.parametrize("system", ["Linux aarch64", "Darwin arm64"])
def test_without_wheels_of_ros(machine: Machine, system: str) -> None:
    machine.system(system)
    machine.python("python3", "3.12")
    code, words, asked = machine.run("policy")
    assert code == 0
    assert f"No wheels of ROS 2 for {system}" in words
    assert installs(asked)[0].endswith("--editable .[policy]")


@pytest.mark.parametrize("distro", [{"ROS_DISTRO": "jazzy"}, {}])
def test_beside_a_sourced_ros(machine: Machine, distro: dict[str, str]) -> None:
    machine.python("python3.13", "3.13")
    machine.python("python3", "3.12", rclpy=True)
    code, words, asked = machine.run("test", **distro)
    assert code == 0
    assert "its rclpy" in words
    assert "python3 -m venv --clear --system-site-packages .venv" in asked
    assert installs(asked)[0].endswith("--constraint .venv/constraints.txt --editable .[test]")
    assert (machine.folder / ".venv" / "constraints.txt").read_text() == "numpy==1.26.4\n"


def test_a_python_that_the_sourced_ros_is_not_for(machine: Machine) -> None:
    machine.python("python3", "3.12")
    code, words, asked = machine.run(ROS_DISTRO="jazzy")
    assert code == 1
    assert words.startswith("python3 cannot import the rclpy of ROS 2 jazzy.")
    assert not installs(asked)


def test_a_sourced_ros_on_an_older_python(machine: Machine) -> None:
    machine.python("python3.12", "3.12")
    code, words, _ = machine.run(ROS_DISTRO="humble")
    assert code == 1
    assert "ROS 2 humble runs on Python 3.9" in words


def test_pip_that_fails(machine: Machine) -> None:
    machine.python("python3", "3.12", pip=False)
    code, words, _ = machine.run()
    assert code == 1
    assert "installation failed" in words
