"""The card of a policy says what the results say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import policies

from gpc_ros import model_card
from gpc_ros.policy import verify
from gpc_ros.policy.metadata import PolicyMetadata

TRAINING = {"wall_s": 61.4, "physics_steps": 123_456_789, "iterations": 6, "seed": 3, "success": 0.97}


def metadata(tmp_path: Path, **changes: Any) -> PolicyMetadata:
    values = {"knots": 5, "version": "1.2.3", "training": TRAINING, **changes}
    return verify.read(policies.write(tmp_path / "a.onnx", "pendulum", **values))[1]


def result(*costs: float, successes: int = 0, named: bool = False) -> dict[str, Any]:
    return {
        "successes": successes,
        "starts": len(costs),
        "mean_cost": sum(costs) / len(costs),
        "cost_std": 0.25,
        "mean_abs_du": 0.0125,
        "estimator": "ekf",
        "named_start": {"success": named},
        "per_start": [{"cost": cost} for cost in costs],
    }


def text(tmp_path: Path, evaluations: dict[str, Any] | None = None, *, rate_hz: float = 500.0, **changes: Any) -> str:
    found = {"policy": result(1.0, 2.0, successes=1, named=True)} if evaluations is None else evaluations
    settings = {"train": {"seed": 3, "gamma": 0.5}, "spc": {}}
    made = model_card.Made(settings, "gpc card pendulum --starts 2", "Linux x86_64, 2 cores", rate_hz)
    return model_card.text(metadata(tmp_path, **changes), found, made)


def test_it_says_how_the_policy_was_made(tmp_path: Path) -> None:
    found = text(tmp_path)
    assert found.startswith("# Policy of pendulum\n")
    assert "mlp [10] that predicts the velocity, 5 knots (linear) over 1 s, 1 Euler steps." in found
    line = "Made by `gpc train pendulum`, this card by `gpc card pendulum --starts 2`. Machine: Linux x86_64, 2 cores."
    assert line in found
    assert "- 61 s of wall time, 123 M physics steps, 6 iterations, seed 3, gpc_ros 1.2.3." in found
    assert "in the training's own validation: 97 %." in found
    assert "- Settings that are not the defaults: `train.seed=3`, `train.gamma=0.5`." in found
    assert "![training](training.png)" in found
    assert "500 Hz, EKF on noisy positions, lock-step" in found
    assert "refined" not in found


def test_it_says_at_which_rate_it_was_evaluated(tmp_path: Path) -> None:
    assert "`gpc eval pendulum --planner ...`, 250 Hz, EKF" in text(tmp_path, rate_hz=250.0)


def test_of_a_last_policy_it_says_how_that_was_chosen(tmp_path: Path) -> None:
    found = text(tmp_path, training={**TRAINING, "last": True})
    assert "Made by `gpc train pendulum && gpc export runs/pendulum/checkpoint.npz --last`" in found


def test_of_a_refined_policy_it_says_what_was_refined_with_what(tmp_path: Path) -> None:
    refines = {"base": "runs/pendulum", "files": 7, "bytes": 1_230_000, "success": 0.99}
    found = text(tmp_path, training={**TRAINING, "refines": refines})
    assert "Made by `gpc train pendulum --from runs/pendulum --from-log ...`" in found
    assert (
        "- The last iteration refined `runs/pendulum` with recorded plans (7 files, 1.2 MB); before, success was 99 %."
    ) in found
    assert "`train.gamma=0.5`" in found  # the base's


def test_a_held_plan_lasts_one_period_longer(tmp_path: Path) -> None:
    found = text(tmp_path, knots=5, period_ns=200_000_000, interpolation="zero")
    assert "5 knots (zero) over 1 s" in found


def test_without_validation_there_is_no_success(tmp_path: Path) -> None:
    found = text(tmp_path, training={**TRAINING, "success": None})
    assert "in the training's own validation: none was done." in found


def test_each_setting_has_a_row(tmp_path: Path) -> None:
    names = list(model_card.SETTINGS)
    evaluations = {name: result(float(n), n + 1.0, successes=n, named=n > 2) for n, name in enumerate(names)}
    rows = [line for line in text(tmp_path, evaluations).splitlines() if line.startswith("|")][2:]
    assert [row.split("|")[1].strip() for row in rows] == names
    assert rows[0] == "| policy | 0 of 2 | fails | 0.5 +- 0.25 | 0.013 |"
    assert rows[3] == "| spc | 3 of 2 | succeeds | 3.5 +- 0.25 | 0.013 |"


def test_seeding_is_compared_start_by_start(tmp_path: Path) -> None:
    """By hand: differences -1, -2, 0; mean -1, standard error 1 / sqrt(3)."""
    pair = {model_card.SEEDED: result(1.0, 5.0, 4.0), model_card.SAMPLED: result(2.0, 7.0, 4.0)}
    line = text(tmp_path, pair).splitlines()[-1]
    assert line.startswith("At 128 candidates each, without a polish, seeding changes the mean cost by -1 +- 0.58 ")
    assert line.endswith("(paired over 3 starts; lower in 2 of them).")
    assert "paired" not in text(tmp_path, {model_card.SEEDED: result(1.0)})
