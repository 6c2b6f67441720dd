"""``gpc up``: whole stacks from the command line, on real DDS."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import policies
import pytest
from domains import new_domain

from gpc_ros import evaluation, paths, spec
from gpc_ros.cli.main import main

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("sensor_msgs", reason="needs the ROS package sensor_msgs")

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 180.0  # a guard against hanging; nothing is measured with it
KEYS = {
    "robot", "planner", "rate_hz", "duration_s", "ticks", "success", "mean_cost", "latency_ms", "period_ms",
    "deadline_misses", "nonfinite_commands", "fallbacks", "nodes",
}  # fmt: skip
_count = itertools.count()


class Stack:
    """A running ``gpc up``."""

    def __init__(self, folder: Path, *arguments: str, domain: str | None = None) -> None:
        self.file = folder / f"{next(_count)}.json"
        self.domain = domain or str(new_domain())
        environment = {**os.environ, "ROS_DOMAIN_ID": self.domain, "PYTHONPATH": str(ROOT)}
        for name in ("ROS_STATIC_PEERS", "ROS_SECURITY_ENABLE"):
            environment.pop(name, None)
        plain = ["up", "--no-web", "--no-monitor", *arguments, "--json", str(self.file)]
        command = [sys.executable, "-m", "gpc_ros.cli.main", *plain]
        self.process = subprocess.Popen(
            command, env=environment, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.output = self.errors = ""

    def children(self) -> dict[str, int]:
        """Process numbers of the nodes that run now, by module name."""
        with contextlib.suppress(OSError):
            listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            return {name: int(number) for number in listed if (name := _module(number))}
        return {}

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + PATIENCE_S
        while not (value := condition()):
            assert time.monotonic() < end, f"waited in vain for {what}"
            assert self.process.poll() is None, f"ended before {what}: {self.process.communicate()}"
            time.sleep(0.01)
        return value

    def end(self) -> int:
        """Wait for the end; the exit code."""
        self.output, self.errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode

    @property
    def result(self) -> dict[str, Any]:
        return json.loads(self.file.read_text())


def _module(number: str) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{number}/cmdline").read_bytes().decode().split("\0")
        return next((word.rsplit(".", 1)[-1] for word in words if word.startswith("gpc_ros.nodes.")), "")
    return ""


def alive(numbers: list[int]) -> list[int]:
    """Those of the processes that still run."""
    return [number for number in numbers if _module(str(number))]


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    before = nodes_of_this_session()
    yield
    assert nodes_of_this_session() <= before


def nodes_of_this_session() -> set[int]:
    """Node processes whose reports go where this session's do: those of its stacks."""
    mine = str(os.getpid())
    found = set()
    for number in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            variables = Path(f"/proc/{number}/environ").read_bytes().decode(errors="replace").split("\0")
            if f"GPC_ROS_TEST_SESSION={mine}" in variables and _module(number):
                found.add(int(number))
    return found


@pytest.fixture(scope="module", autouse=True)
def marked() -> Iterator[None]:
    """Marks the processes of this session, so that what is left of them can be told from those of others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPC_ROS_TEST_SESSION", str(os.getpid()))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stacks")


@pytest.fixture(scope="module")
def steps(folder: Path, marked: None) -> dict[str, Stack]:
    """Runs in lock-step, at the same time: the load of a machine changes nothing in them."""
    common = ("--lockstep", "--duration", "1", "-p", "simulator.seed=3", "-p", "spc.threads=1")
    model = ("--policy", str(policies.balancing(folder / "balancing.onnx")))
    batches = (
        {
            "processes": ("cart_pole",),
            "composed": ("cart_pole", "--composed"),
            "particle": ("particle", "-p", "simulator.start=random"),
        },
        {
            "policy": ("cart_pole", "--planner", "policy", *model),
            "seeded_spc": ("cart_pole", "--planner", "seeded_spc", *model, "--record", "tapes"),
        },
    )  # not all at once: a process that a busy machine keeps from ending is killed
    stacks = {}
    for batch in batches:
        running = {name: Stack(folder, *arguments, *common) for name, arguments in batch.items()}
        for stack in running.values():
            stack.end()
        stacks |= running
    return stacks


def alone(robot: str, start: int, **overrides: dict[str, Any]) -> dict[str, Any]:
    """The same run without ROS."""
    return evaluation.run_start(evaluation.Setting(robot, seed=3, duration_s=1.0, overrides=overrides), start)


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.parametrize("name", ["processes", "composed", "particle", "policy", "seeded_spc"])
def test_a_run_ends_well_and_tells_all(steps: dict[str, Stack], name: str) -> None:
    stack = steps[name]
    assert stack.process.returncode == 0, stack.errors
    assert "Traceback" not in stack.errors
    result = stack.result
    assert result.keys() >= KEYS
    for times in ("latency_ms", "period_ms"):
        assert result[times].keys() == {"p50", "p99", "max"}
    expected = {"composed"} if name == "composed" else set(spec.CONTROL)
    assert result["nodes"].keys() == expected | ({"recorder"} if name == "seeded_spc" else set())
    assert all(node.keys() == {"exit_code", "restarts", "cpu_percent"} for node in result["nodes"].values())
    assert {(node["exit_code"], node["restarts"]) for node in result["nodes"].values()} == {(0, 0)}
    assert (result["ticks"], result["duration_s"], result["rate_hz"]) == (500, 1.0, 500.0)
    assert result["answered"] <= result["ticks"]
    assert result["nonfinite_commands"] == 0
    assert result["exceptions"] == {}
    assert result["planner"] == (name if name in ("policy", "seeded_spc") else "spc")
    assert result["robot"] in stack.output


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.parametrize(("name", "robot", "start"), [
    ("processes", "cart_pole", evaluation.NAMED),
    ("composed", "cart_pole", evaluation.NAMED),
    ("particle", "particle", 0),
])  # fmt: skip
def test_in_lock_step_a_run_is_bit_for_bit_that_without_ros(
    steps: dict[str, Stack], name: str, robot: str, start: int
) -> None:
    expected = alone(robot, start)
    result = steps[name].result
    assert result["digest"] == expected["digest"]
    assert (result["success"], result["mean_cost"]) == (expected["success"], expected["mean_cost"])


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.parametrize("planner", ["policy", "seeded_spc"])
def test_in_lock_step_a_policy_gives_the_run_that_it_gives_without_ros(
    steps: dict[str, Stack], folder: Path, planner: str
) -> None:
    result = steps[planner].result
    model = {"model_file": str(folder / "balancing.onnx")}
    expected = alone("cart_pole", evaluation.NAMED, controller={"planner": planner}, policy_server=model)
    assert result["digest"] == expected["digest"]
    assert result["provider"] == "CPUExecutionProvider"


@pytest.mark.ros
@pytest.mark.slow
def test_a_run_that_was_recorded_is_made_again_bit_for_bit(steps: dict[str, Stack], folder: Path) -> None:
    pytest.importorskip("mcap", reason="needs mcap")
    from gpc_ros.recording.reader import Recording

    (file,) = (folder / "tapes").iterdir()
    recording = Recording(file)
    assert (recording.flaw, recording.missing) == ("", {})
    assert recording.about["robot"] == "cart_pole"
    assert {setting.node for setting in recording.settings} == set(spec.CONTROL)
    for what, least in (("estimator", 450), ("seeded_spc", 45)):
        out = folder / f"{what}.json"
        assert main(["rerun", str(file), what, "--json", str(out)]) == 0
        found = json.loads(out.read_text())
        assert found["equal"] == found["compared"] >= least, found


@pytest.fixture(scope="module")
def live(folder: Path, marked: None) -> Iterator[Stack]:
    """In real time: a second stack comes, a node is killed, then Ctrl-C."""
    stack = Stack(folder, "cart_pole")
    with Ear(int(stack.domain)) as ear:
        stack.until(lambda: ear.hears(10), "commands")
        stack.second = Stack(folder, "cart_pole", "--duration", "1", domain=stack.domain)
        stack.second.end()
        stack.until(lambda: ear.hears(10), "commands beside a second stack")
        victim = stack.children()["estimator"]
        os.kill(victim, signal.SIGKILL)
        stack.until(lambda: stack.children().get("estimator", victim) != victim, "another estimator")
        while ear.hears_of("state_estimate", 1):  # the last words of the one that was killed
            pass
        stack.until(lambda: ear.hears_of("state_estimate", 3), "estimates of the new estimator")
        stack.until(lambda: ear.hears(10), "commands after the crash")
    stack.nodes = list(stack.children().values())
    stack.process.send_signal(signal.SIGINT)
    stack.end()
    yield stack
    stack.process.kill()


class Ear:
    """Hears a running stack."""

    def __init__(self, domain: int) -> None:
        from gpc_ros.nodes import network

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of what rclpy imports
            import rosidl_generator_py  # noqa: F401
        import rclpy
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.qos import qos_profile_sensor_data
        from sensor_msgs.msg import JointState

        for name, value in network.environment(opened=False).items():
            os.environ[name] = value
        self._rclpy, self._context = rclpy, Context()
        rclpy.init(args=[], context=self._context, domain_id=domain)
        self._node = rclpy.create_node("ear", context=self._context, enable_rosout=False)
        self._heard = dict.fromkeys(("command", "state_estimate"), 0)
        for topic in self._heard:
            self._node.create_subscription(
                JointState, topic, lambda message, topic=topic: self._add(topic), qos_profile_sensor_data
            )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._asked = dict(self._heard)

    def _add(self, topic: str) -> None:
        self._heard[topic] += 1

    def hears(self, number: int) -> bool:
        """Whether so many commands have come since this was last true."""
        return self.hears_of("command", number)

    def hears_of(self, topic: str, number: int) -> bool:
        """As ``hears``, of another topic."""
        for _ in range(20):
            self._executor.spin_once(timeout_sec=0.005)
        if more := self._heard[topic] - self._asked[topic] >= number:
            self._asked[topic] = self._heard[topic]
        return more

    def __enter__(self) -> Ear:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        self._rclpy.try_shutdown(context=self._context)


@pytest.mark.ros
@pytest.mark.slow
def test_a_second_stack_in_the_same_domain_is_refused_in_words(live: Stack) -> None:
    assert live.second.process.returncode == 2
    (line,) = live.second.errors.splitlines()
    assert f"gpc: gpc up is already running in domain {live.domain}" in line


@pytest.mark.ros
@pytest.mark.slow
def test_a_killed_node_is_started_again_and_the_run_goes_on(live: Stack) -> None:
    nodes = live.result["nodes"]
    assert {name: node["restarts"] for name, node in nodes.items()} == {
        "simulator": 0, "estimator": 1, "policy_server": 0, "spc": 0, "controller": 0,
    }  # fmt: skip


@pytest.mark.ros
@pytest.mark.slow
def test_ctrl_c_ends_it_well_with_a_summary(live: Stack) -> None:
    assert live.process.returncode == 0
    assert "Traceback" not in live.errors
    assert {node["exit_code"] for node in live.result["nodes"].values()} == {0}
    assert live.result["ticks"] > 0
    assert "cart_pole with spc" in live.output
    assert alive(live.nodes) == []


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_ended_while_it_starts_it_leaves_nothing_behind(folder: Path, number: signal.Signals, code: int) -> None:
    stack = Stack(folder, "cart_pole", "--composed")
    nodes = stack.until(lambda: list(stack.children().values()), "the process of the nodes")
    stack.process.send_signal(number)
    assert stack.end() == code
    assert "gpc_ros" not in stack.errors  # a helper process of the ROS wheels may tell of its broken pipe
    end = time.monotonic() + PATIENCE_S
    while alive(nodes):
        assert time.monotonic() < end, "processes were left behind"
        time.sleep(0.01)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs ``gpc`` here, to be refused before anything starts: the one line that it says."""
    monkeypatch.delenv("ROS_STATIC_PEERS", raising=False)
    monkeypatch.delenv("ROS_SECURITY_ENABLE", raising=False)

    def call(*arguments: str) -> str:
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        (line,) = err.splitlines()
        assert line.startswith("gpc: ")
        return line

    return call


@pytest.mark.ros
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cart_poel"], ("unknown robot 'cart_poel'", "Did you mean 'cart_pole'?", "pendulum")),
        (["cart_pole", "--planner", "elbow"], ("unknown planner 'elbow'", "hold, policy, seeded_spc, spc")),
        (["cart_pole", "-p", "elbow.noise=1"], ("unknown node 'elbow'", "simulator")),
        (["cart_pole", "-p", "simulator.nose.position=1"], ("nose", "noise.position")),
        (["cart_pole", "-p", "simulator.noise.position=-1"], ("simulator: noise.position = -1", "greater than")),
        (["cart_pole", "-p", "simulator.noise.position=much"], ("noise.position = 'much'", "number")),
        (["cart_pole", "-p", "simulator.noise.position=.nan"], ("noise.position = nan", "finite")),
        (["cart_pole", "-p", "simulator.start=[1"], ("-p simulator.start=[1", "not valid YAML")),
        (["cart_pole", "-p", "simulator.noise"], ("-p simulator.noise", "NODE.NAME=VALUE")),
        (["cart_pole", "-p", "=1"], ("-p =1", "NODE.NAME=VALUE")),
        (["cart_pole", "-p", "controller.planner=elbow"], ("planner", "elbow", "spc")),
        (["cart_pole", "--planner", "policy", "--policy", "/no/such/a.onnx"], ("/no/such/a.onnx: No such file",)),
        (["cart_pole", "-p", "controller.fallback=policy", "--policy", "README.md"], ("README.md",)),
        (["cart_pole", "-p", "controller.fallback=elbow"], ("fallback", "elbow", "spc")),
        (["cart_pole", "-p", "spc.rule=elbow"], ("rule", "elbow", "mppi")),
        (["cart_pole", "-p", "spc.plan_rate_hz=25", "--lockstep"], ("plan_rate_hz", "spc: 25.0", "controller: 50.0")),
        (["cart_pole", "-p", "simulator.rate_hz=250"], ("rate_hz must be the same", "simulator: 250.0")),
        (["cart_pole", "--rate", "0"], ("rate_hz = 0.0", "greater than or equal to 1")),
        (["cart_pole", "--rate", "nan"], ("rate_hz = nan",)),
        (["cart_pole", "--duration", "-1"], ("duration_s = -1.0", "greater than or equal to 0")),
        (["cart_pole", "--json", "/no/such/folder/a.json"], ("--json /no/such/folder/a.json", "cannot be written")),
    ],
)
def test_mistakes_are_one_line_and_code_2(
    refused: Callable[..., str], arguments: list[str], words: tuple[str, ...]
) -> None:
    line = refused("up", *arguments)
    assert all(word in line for word in words), line


@pytest.mark.ros
@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("ROS_STATIC_PEERS", "192.0.2.7", ("ROS_STATIC_PEERS=192.0.2.7", "add --network")),
        ("ROS_DOMAIN_ID", "233", ("ROS_DOMAIN_ID=233", "0 to 232")),
        ("ROS_DOMAIN_ID", "elbow", ("ROS_DOMAIN_ID=elbow", "0 to 232")),
        ("ROS_SECURITY_ENABLE", "true", ("ROS_SECURITY_ENABLE=true", "no DDS security")),
    ],
)
def test_an_environment_that_cannot_be_served_is_refused(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    line = refused("up", "cart_pole")
    assert all(word in line for word in words), line


@pytest.mark.ros
@pytest.mark.parametrize("command", ["up", "eval"])
def test_a_broken_model_is_named_with_file_and_line(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    for name in ("models", "config"):
        shutil.copytree(paths.share() / name, tmp_path / name)
    scene = tmp_path / "models" / "cart_pole" / "scene.xml"
    scene.write_text(scene.read_text().replace("</worldbody>", ""))
    monkeypatch.setattr(paths, "share", lambda: tmp_path)
    line = refused(command, "cart_pole", *(["--jobs", "1"] if command == "eval" else []))
    assert str(scene) in line
    assert "XML" in line


@pytest.mark.ros
@pytest.mark.slow
def test_a_node_beside_another_of_its_name_is_refused(folder: Path) -> None:
    """Also those that no ``gpc up`` has started."""
    stack = Stack(folder, "pendulum", "--composed", "--lockstep")
    environment = {**os.environ, "ROS_DOMAIN_ID": stack.domain, "PYTHONPATH": str(ROOT)}
    try:
        with Ear(int(stack.domain)) as ear:
            stack.until(lambda: ear.hears(3), "commands")
        command = [sys.executable, "-m", "gpc_ros.nodes.controller", "--ros-args", "-p", "robot:=pendulum"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    finally:
        stack.process.send_signal(signal.SIGINT)
        stack.end()
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"controller: /controller is already running in domain {stack.domain}" in line
