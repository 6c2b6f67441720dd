"""The Furuta pendulum of docs/your_robot.md, installed, and a policy of its."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import outside
import pytest

from gpc_ros import registry
from gpc_ros.cli.main import main
from gpc_ros.tasks.base import Task

TINY = (
    "train.environments=2", "train.episode_s=0.12", "train.plan_rate_hz=25", "train.horizon_s=0.3", "train.knots=3",
    "train.samples=2", "train.policy_samples=1", "train.iterations=1", "train.gradient_steps=8", "train.batch=8",
    "train.network={hidden: [8]}", "train.flow_steps=2", "train.validation_starts=1", "train.threads=1",
)  # fmt: skip


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that it is installed in."""
    return outside.install(outside.FURUTA, tmp_path_factory.mktemp("installed"))


@pytest.fixture
def furuta(site: Path) -> Iterator[Path]:
    """The same, on the path."""
    with outside.visible(site):
        yield site


@pytest.fixture(scope="session")
def policy(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a policy that learned for a moment."""
    pytest.importorskip("torch")
    pytest.importorskip("tensorboard")
    folder = tmp_path_factory.mktemp("training")
    with pytest.MonkeyPatch.context() as patch, outside.visible(site):
        kind: Any = registry.load("tasks", "furuta", Task)
        patch.setattr(kind, "episode_s", 0.1)
        settings = [word for each in TINY for word in ("-p", each)]
        assert main(["train", "furuta", "--out", str(folder), *settings]) == 0
    return folder / "policy.onnx"
