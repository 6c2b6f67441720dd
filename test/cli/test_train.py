"""``gpc train``: whatever ends it, the same command goes on; and each mistake is one line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpc_ros import __version__
from gpc_ros.cli.main import main
from gpc_ros.control.plan_log import Recorder
from gpc_ros.control.previous import Grid
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.tasks.pendulum import Pendulum

torch = pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from gpc_ros.learning import algorithm, checkpoint  # noqa: E402
from gpc_ros.learning.algorithm import Trainer  # noqa: E402
from gpc_ros.learning.fit import Fit  # noqa: E402
from gpc_ros.learning.validation import Verdict  # noqa: E402
from gpc_ros.policy.onnx_policy import OnnxPolicy  # noqa: E402

SETTINGS = (
    "train.environments=2", "train.episode_s=0.12", "train.plan_rate_hz=25", "train.horizon_s=0.3", "train.knots=3",
    "train.samples=2", "train.policy_samples=1", "train.iterations=2", "train.gradient_steps=8", "train.batch=8",
    "train.network={hidden: [8]}", "train.flow_steps=2", "train.validation_starts=1", "train.threads=1",
)  # fmt: skip
TINY = tuple(word for setting in SETTINGS for word in ("-p", setting))
OFTEN = ("--save-every", "1e-9")
SLICES = 2 * (3 + 1)  # iterations, replans and one fit each


@pytest.fixture(autouse=True)
def _short_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pendulum, "episode_s", 0.1)


def train(folder: Path, *options: str, settings: tuple[str, ...] = TINY) -> int:
    return main(["train", "pendulum", "--out", str(folder), *settings, *options])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pendulum, "episode_s", 0.1)
        assert train(folder) == 0
    return folder


def assert_same(folder: Path, expected: Path) -> None:
    """The same weights, the mean and the best ones, and the same figures of all iterations."""
    (mine, found), (theirs, wanted) = (checkpoint.read(each / checkpoint.NAME) for each in (folder, expected))
    assert found.keys() == wanted.keys()
    for name, values in found.items():
        np.testing.assert_array_equal(values, wanted[name], err_msg=name)
    for record, other in zip(mine["records"], theirs["records"], strict=True):
        np.testing.assert_equal({**record, "wall_s": 0.0}, {**other, "wall_s": 0.0})


def test_it_trains_exports_and_says_how_it_went(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = tmp_path / "figures.json"
    assert train(tmp_path / "run", "--seed", "5", "--json", str(figures)) == 0
    found = json.loads(figures.read_text(), parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert (found["robot"], found["seed"], found["iterations"], found["version"]) == ("pendulum", 5, 2, __version__)
    assert found["policy_cost"][0] is None  # in the first iteration there is no policy yet
    assert all(value > 0 for value in (*found["spc_cost"], found["policy_cost"][1], found["wall_s"]))
    assert len(found["policy_best_fraction"]) == 2
    assert found["physics_steps"] == 2 * 3 * 15 * (11 + 13)
    out, err = capsys.readouterr()
    assert err == ""
    assert "pendulum: 2 robots, episodes of 0.12 s, a replan every 40 ms; plans of 0.3 s in 3 knots (zero)" in out
    assert "nan" not in out
    assert "iteration 2: cost of the best drawn" in out
    assert f"gpc eval pendulum --planner policy --policy {tmp_path}/run/policy.onnx" in out


def test_the_policy_file_is_the_best_policy_with_its_figures(whole: Path) -> None:
    policy = OnnxPolicy.load(whole / "policy.onnx", Pendulum())
    about, _ = checkpoint.read(whole / checkpoint.NAME)
    trained = checkpoint.load_policy(whole / checkpoint.NAME).policy
    start, observation = torch.randn(4, 3, 1), torch.randn(4, 3)
    expected = trained.sample(start, observation, 2).numpy()
    np.testing.assert_allclose(policy.plans(start.numpy(), observation.numpy()), expected, atol=1e-5)
    metadata = policy.metadata
    assert (metadata.task, metadata.knots, metadata.steps, metadata.interpolation) == ("pendulum", 3, 2, "zero")
    assert metadata.period_ns == 100_000_000
    for name in ("seed", "wall_s", "physics_steps", "iterations", "success", "named_start", "machine", "spc_cost"):
        assert metadata.training[name] == about["figures"][name]
    assert main(["check", str(whole / "policy.onnx")]) == 0


def test_the_last_policy_is_exported_on_demand(whole: Path, tmp_path: Path) -> None:
    assert main(["export", str(whole / checkpoint.NAME), "--last", "-o", str(tmp_path / "last.onnx")]) == 0
    metadata = OnnxPolicy.load(tmp_path / "last.onnx", Pendulum()).metadata
    record = checkpoint.read(whole / checkpoint.NAME)[0]["figures"]["records"][-1]
    assert metadata.training["last"] is True
    assert metadata.training["validation_cost"] == record["cost"]


def test_a_network_of_convolutions_is_exported_too(tmp_path: Path) -> None:
    network = ("-p", "train.network={kind: cnn, hidden: [4], embedding: 4}", "-p", "train.iterations=1")
    assert train(tmp_path, *network) == 0
    policy = OnnxPolicy.load(tmp_path / "policy.onnx", Pendulum())
    assert policy.metadata.architecture.kind == "cnn"
    trained = checkpoint.load_policy(tmp_path / checkpoint.NAME).policy
    start, observation = torch.randn(4, 3, 1), torch.randn(4, 3)
    expected = trained.sample(start, observation, 2).numpy()
    np.testing.assert_allclose(policy.plans(start.numpy(), observation.numpy()), expected, atol=1e-5)


def test_the_same_seed_gives_the_same_policy(tmp_path: Path, whole: Path) -> None:
    assert train(tmp_path) == 0
    assert_same(tmp_path, whole)
    other = tmp_path / "other"
    assert train(other, "--seed", "1") == 0
    mine, theirs = (checkpoint.read(folder / checkpoint.NAME)[1] for folder in (other, whole))
    assert (mine["best/network.layers.0.weight"] != theirs["best/network.layers.0.weight"]).any()


def test_a_training_that_is_done_is_only_exported_again(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = checkpoint.read(whole / checkpoint.NAME)[0]["figures"]["wall_s"]
    (whole / "policy.onnx").unlink()
    assert train(whole) == 0
    assert (whole / "policy.onnx").exists()
    assert "goes on from" in capsys.readouterr().out
    assert checkpoint.read(whole / checkpoint.NAME)[0]["figures"]["wall_s"] == before


# Kills itself as kill -9 does: in the middle of a slice, or of writing a checkpoint.
KILLED = """
import os, signal, sys
from gpc_ros import archive
from gpc_ros.cli.main import main
from gpc_ros.learning.algorithm import Trainer
from gpc_ros.tasks.pendulum import Pendulum

Pendulum.episode_s = 0.1
owner, name = {"slice": (Trainer, "_note"), "write": (archive.os, "fsync")}[sys.argv[1]]
calls, plain = iter(range(int(sys.argv[2]))), getattr(owner, name)

def deadly(*args):
    if next(calls, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(*args)

setattr(owner, name, deadly)
main(sys.argv[3:])
"""


@pytest.mark.parametrize(("where", "calls"), [("slice", 4), ("write", 6)])
def test_after_kill_9_it_goes_on_and_ends_as_if_nothing_had_happened(
    tmp_path: Path, whole: Path, where: str, calls: int
) -> None:
    command = [sys.executable, "-c", KILLED, where, str(calls), "train", "pendulum", "--out", str(tmp_path), *TINY]
    killed = subprocess.run([*command, *OFTEN], capture_output=True, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    about, _ = checkpoint.read(tmp_path / checkpoint.NAME)
    assert 0 < about["progress"]["iteration"] + about["progress"]["place"] < SLICES
    assert not (tmp_path / "policy.onnx").exists()
    assert train(tmp_path, *OFTEN) == 0
    assert_same(tmp_path, whole)
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"checkpoint", "events", "policy"}


def at_slice(monkeypatch: pytest.MonkeyPatch, count: int, act: Callable[[], None]) -> None:
    """Call ``act`` in the slice number ``count``."""
    calls, advance = iter(range(1, count)), Trainer.advance

    def acting(self: Trainer) -> None:
        if next(calls, None) is None:
            act()
        advance(self)

    monkeypatch.setattr(Trainer, "advance", acting)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_when_it_is_asked_to_end_it_saves_and_says_so(
    tmp_path: Path,
    whole: Path,
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with monkeypatch.context() as patch:
        at_slice(patch, 5, lambda: signal.raise_signal(number))
        assert train(tmp_path, "--json", str(tmp_path / "figures.json")) == 130
    assert f"interrupted; the same command goes on from {tmp_path}/checkpoint.npz" in capsys.readouterr().out
    assert checkpoint.read(tmp_path / checkpoint.NAME)[0]["progress"]["place"] == 1  # the slice was finished
    assert json.loads((tmp_path / "figures.json").read_text())["iterations"] == 1
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers
    assert not (tmp_path / "policy.onnx").exists()
    assert train(tmp_path) == 0
    assert_same(tmp_path, whole)


def test_a_second_ctrl_c_ends_it_at_once_with_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        at_slice(patch, 3, twice)
        assert train(tmp_path, *OFTEN) == 130
    assert checkpoint.read(tmp_path / checkpoint.NAME)[0]["progress"]["place"] == 2


def test_what_the_shell_ignores_does_not_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As SIGHUP under nohup."""
    at_slice(monkeypatch, 2, lambda: signal.raise_signal(signal.SIGHUP))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert train(tmp_path, "-p", "train.iterations=1") == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_after_a_restart_that_was_interrupted_it_is_not_to_be_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_slice(monkeypatch, 2, lambda: signal.raise_signal(signal.SIGINT))
    assert train(tmp_path, "--restart") == 130
    assert "interrupted; the same command without --restart goes on from" in capsys.readouterr().out


def test_time_that_was_too_short_is_told_and_can_be_had_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, "--minutes", "1e-9") == 2
    assert capsys.readouterr().err == "gpc: --minutes 1e-09: no iteration has ended yet; with more it goes on\n"
    assert not (tmp_path / "policy.onnx").exists()
    assert train(tmp_path, "--minutes", "10") == 0
    assert (tmp_path / "policy.onnx").exists()


def test_out_of_time_the_best_policy_so_far_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        at_slice(patch, 6, lambda: signal.raise_signal(signal.SIGINT))
        assert train(tmp_path) == 130
    assert train(tmp_path, "--minutes", "1e-9") == 0
    assert OnnxPolicy.load(tmp_path / "policy.onnx", Pendulum()).metadata.training["iterations"] == 1


def recorded(folder: Path, count: int, robot: str = "pendulum") -> None:
    recorder = Recorder(folder, robot)
    for _ in range(count):
        plan = np.array([[0.1], [0.2], [0.3]])
        recorder.add(np.full(3, 0.5), plan, -plan, Grid(3, 100_000_000, Interpolation.ZERO))
    recorder.flush()


def refine(folder: Path, base: Path, log: Path, *options: str) -> int:
    return train(folder, "--from", str(base), "--from-log", str(log), *options, settings=())


def test_recorded_plans_refine_a_policy(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(tmp_path / "log", 7)
    rows: list[int] = []
    step = Fit.step

    def noted(self: Fit, data: Any, count: int, **options: Any) -> float:
        rows.append(len(data.observation))
        recorded_rows = (data.observation == 0.5).all(dim=1)
        torch.testing.assert_close(data.after[recorded_rows][:, 0], torch.full((7, 1), -0.1))
        return step(self, data, count, **options)

    monkeypatch.setattr(Fit, "step", noted)
    assert refine(tmp_path / "refined", whole, tmp_path / "log") == 0
    assert rows == [2 * 6 + 7]  # two iterations of two robots and three replans, and the recorded pairs
    about, arrays = checkpoint.read(tmp_path / "refined" / checkpoint.NAME)
    assert about["progress"]["iteration"] == 3
    assert about["settings"] == checkpoint.read(whole / checkpoint.NAME)[0]["settings"]
    assert about["settings"]["train"]["environments"] == 2
    for name in ("network.layers.0.weight", "observation_mean"):
        np.testing.assert_array_equal(arrays[f"best/{name}"], arrays[f"fit/average.{name}"])


@pytest.mark.parametrize("verdict", [Verdict(1.0, True, 0.5), Verdict(0.0, False, 99.0)], ids=["better", "worse"])
def test_the_refined_policy_is_exported_and_both_are_told(
    verdict: Verdict,
    tmp_path: Path,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever the nominal simulator says of it."""
    before = OnnxPolicy.load(whole / "policy.onnx", Pendulum())
    recorded(tmp_path / "log", 7)
    monkeypatch.setattr(algorithm, "validate", lambda *args, **options: verdict)
    assert refine(tmp_path / "refined", whole, tmp_path / "log") == 0
    refined = OnnxPolicy.load(tmp_path / "refined" / "policy.onnx", Pendulum())
    start, observation = np.zeros((1, 3, 1)), np.array([0.5, 0.5, 0.5])
    assert np.abs(refined.plans(start, observation) - before.plans(start, observation)).max() > 1e-5
    training, base = refined.metadata.training, before.metadata.training
    assert (training["iterations"], training["success"], training["named_start"]) == (3, verdict.success, verdict.named)
    told = {name: training["refines"][name] for name in ("base", "files", "success", "validation_cost")}
    figures = {name: base[name] for name in ("success", "validation_cost")}
    assert told == {"base": str(whole), "files": 1, **figures}
    line = capsys.readouterr().out
    after, earlier = (f"{100 * each['success']:.0f} %" for each in (training, base))
    assert f"in the nominal simulator it succeeds from {after} of starts (mean cost {verdict.cost:g})" in line
    assert f"before from {earlier} (mean cost" in line
    assert ("worse there" in line) == (verdict.success == 0.0)


def test_the_same_refinement_again_is_only_exported_again(tmp_path: Path, whole: Path) -> None:
    recorded(tmp_path / "log", 7)
    assert refine(tmp_path / "refined", whole, tmp_path / "log") == 0
    (tmp_path / "log").rename(tmp_path / "moved")
    before = checkpoint.read(tmp_path / "refined" / checkpoint.NAME)[1]
    (tmp_path / "refined" / "policy.onnx").unlink()
    assert refine(tmp_path / "refined", whole, tmp_path / "moved") == 0
    assert (tmp_path / "refined" / "policy.onnx").exists()
    after = checkpoint.read(tmp_path / "refined" / checkpoint.NAME)[1]
    np.testing.assert_equal(after, before)


def test_a_refinement_from_something_else_is_refused(
    tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the old policy would be exported again as if it had learned from the new."""
    out, log = tmp_path / "refined", tmp_path / "log"
    recorded(log, 7)
    assert refine(out, whole, log) == 0
    exported = (out / "policy.onnx").read_bytes()
    recorded(log, 3)
    capsys.readouterr()

    def refused(*options: str) -> str:
        assert main(["train", "pendulum", "--out", str(out), *options]) == 2
        printed, err = capsys.readouterr()
        assert printed == ""
        (line,) = err.splitlines()
        return line

    line = refused("--from", str(whole), "--from-log", str(log))
    assert line.startswith(f"gpc: {out}/checkpoint.npz was begun from {whole} (")
    for words in ("a log of 1 files", ", not from", "a log of 2 files", "choose another --out, or --restart"):
        assert words in line
    assert "was begun from" in refused(*TINY, "-p", "train.iterations=3")
    assert "was begun from" in refused("--from", str(trained_on(whole, tmp_path / "more")), "--from-log", str(log))
    assert (out / "policy.onnx").read_bytes() == exported
    assert refine(out, whole, log, "--restart") == 0
    assert (out / "policy.onnx").read_bytes() != exported


def trained_on(base: Path, folder: Path) -> Path:
    """A copy of a training, with other data."""
    about, arrays = checkpoint.read(base / checkpoint.NAME)
    arrays["data/0/after"] = arrays["data/0/after"] + 0.1
    checkpoint.write(folder / checkpoint.NAME, about, arrays)
    return folder


def test_minutes_are_those_of_the_refinement_alone(
    tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A base that took longer is not exported as what was refined."""
    about, arrays = checkpoint.read(whole / checkpoint.NAME)
    about["progress"]["wall_s"] = 3600.0
    checkpoint.write(tmp_path / "long" / checkpoint.NAME, about, arrays)
    recorded(tmp_path / "log", 3)
    assert refine(tmp_path / "a", tmp_path / "long", tmp_path / "log", "--minutes", "10") == 0
    assert (tmp_path / "a" / "policy.onnx").exists()
    assert checkpoint.read(tmp_path / "a" / checkpoint.NAME)[0]["figures"]["wall_s"] > 3600.0


def test_a_refinement_that_has_not_ended_exports_nothing(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(algorithm, "_CHUNK", 4)
    recorded(tmp_path / "log", 3)
    assert refine(tmp_path / "a", whole, tmp_path / "log", "--minutes", "1e-9") == 2
    assert "no iteration has ended yet" in capsys.readouterr().err
    assert not (tmp_path / "a" / "policy.onnx").exists()
    assert refine(tmp_path / "a", whole, tmp_path / "log") == 0
    assert (tmp_path / "a" / "policy.onnx").exists()


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(*arguments: str) -> str:
        assert main(["train", *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        (line,) = err.splitlines()
        return line

    return call


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["elbow"], ("gpc: unknown robot 'elbow'", "cart_pole")),
        (["pendulum", "-p", "train.sampels=1"], ("unknown parameter of train 'sampels'", "Did you mean 'samples'")),
        (["pendulum", "-p", "train.samples=0"], ("train: samples = 0",)),
        (["pendulum", "-p", "train.network={kind: rnn}"], ("train: network.kind = 'rnn'", "'glu' or 'cnn'")),
        (["pendulum", "-p", "train.network={hidden: [0]}"], ("train: network", "widths must be at least 1")),
        (["pendulum", "-p", "spc.rule=mpi"], ("spc: rule = 'mpi'", "mppi")),
        (["pendulum", "-p", "spc.terminal_weights={elbow: 1}"], ("unknown terminal cost term 'elbow'", "upright")),
        (["pendulum", "-p", "policy.samples=1"], ("unknown section 'policy'", "spc, train")),
        (["pendulum", "-p", "samples=1"], ("-p samples=1: expected train.NAME=VALUE",)),
        (["pendulum", "-p", "train.samples"], ("-p train.samples: expected",)),
        (["pendulum", "-p", "train.samples={"], ("-p train.samples={: '{' is not valid YAML",)),
        (["pendulum", "-p", "train.horizon_s=0.1", "-p", "train.knots=9"], ("spc: 9 knots", "takes from 1 to 5")),
        (["pendulum", "-p", "train.plan_rate_hz=0.5"], ("train.plan_rate_hz = 0.5: plans of", "end before the next")),
        (["pendulum", "--minutes", "0"], ("--minutes 0: must be a number above 0",)),
        (["pendulum", "--minutes", "long"], ("--minutes long: must be a number above 0",)),
        (["pendulum", "--save-every", "0"], ("0 must be a number of seconds above 0",)),
        (["pendulum", "--seed", "-1"], ("-1 must be a whole number of at least 0",)),
        (["pendulum", "--json", "/no/such/a.json"], ("--json /no/such/a.json", "cannot be written")),
        (["pendulum", "--from-log", "log"], ("--from-log DIR and --from RUN go together",)),
        (["pendulum", "--from", "runs/a"], ("--from-log DIR and --from RUN go together",)),
        (["pendulum", "--from", "a", "--from-log", "b", "--seed", "1"], ("leave out -p and --seed",)),
        (["pendulum", "--from", "a", "--from-log", "b", "-p", "spc.rule=cem"], ("leave out -p and --seed",)),
        (["pendulum", "--from", "a", "--from-log", "b", "--out", "a"], ("--out a is the training to refine",)),
        (["pendulum", "--from", "a", "--from-log", "b"], ("a/checkpoint.npz: No such file or directory",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line_and_code_2(
    refused: Callable[..., str],
    arguments: list[str],
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    line = refused(*arguments)
    assert all(word in line for word in words), line
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_a_refinement_is_refused(refused: Callable[..., str], whole: Path, tmp_path: Path) -> None:
    out, log = ("--out", str(tmp_path / "out")), tmp_path / "log"
    options = ("--from", str(whole), "--from-log", str(log))
    assert f"{log}: no recorded plans" in refused("pendulum", *out, *options)
    recorded(log, 3, "cart_pole")
    assert "was recorded on cart_pole, not on pendulum" in refused("pendulum", *out, *options)
    recorded(tmp_path / "own", 3)
    options = (*options[:-1], str(tmp_path / "own"))
    assert "is of robot pendulum, not cart_pole" in refused("cart_pole", *out, *options)
    about, arrays = checkpoint.read(whole / checkpoint.NAME)
    about["progress"]["iteration"] = 0
    checkpoint.write(tmp_path / "new" / checkpoint.NAME, about, arrays)
    options = ("--from", str(tmp_path / "new"), *options[2:])
    assert "no iteration has ended yet, there is no policy to refine" in refused("pendulum", *out, *options)


def test_other_parameters_than_those_of_the_folder_are_refused(refused: Callable[..., str], whole: Path) -> None:
    line = refused("pendulum", "--out", str(whole), *TINY, "--seed", "7")
    assert line == (
        f"gpc: {whole}/checkpoint.npz was begun with train.seed = 0, not 7; choose another --out, or --restart"
    )


@pytest.mark.parametrize("absent", ["torch", "tensorboard"])
def test_without_torch_it_says_what_to_install(
    absent: str, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == absent or name == "torch.utils.tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, absent, None)
    assert refused("pendulum") == f"gpc: gpc train needs {absent}: python3 -m pip install 'gpc_ros[learning]'"
