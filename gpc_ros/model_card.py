"""The card of a shipped policy: how it was trained and what it reaches, in words and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpc_ros.policy.metadata import PolicyMetadata

CANDIDATES = 128
_HALF = {"spc": {"samples": CANDIDATES // 2, "polish": 0}, "policy_server": {"seed_samples": CANDIDATES // 2}}
SETTINGS: Mapping[str, tuple[str, Mapping[str, Mapping[str, Any]]]] = {
    "policy": ("policy", {}),
    "policy, warm start 0": ("policy", {"policy_server": {"warm_start": 0.0}}),
    "seeded_spc": ("seeded_spc", {}),
    "spc": ("spc", {}),
    f"seeded_spc, {CANDIDATES // 2} + {CANDIDATES // 2} candidates, no polish": ("seeded_spc", _HALF),
    f"spc, {CANDIDATES} candidates, no polish": ("spc", {"spc": {"samples": CANDIDATES, "polish": 0}}),
}
"""What is evaluated for a card: planner and parameters by node, under the name of its row.

The last two, at equal numbers of candidates, are as published: without a polish.
"""
SEEDED, SAMPLED = list(SETTINGS)[-2:]


@dataclass(frozen=True, slots=True)
class Made:
    """How a policy and its card were made: ``settings`` of the training by section, the whole ``command`` of the card.

    ``machine`` is that of both, in words, ``rate_hz`` that of the loop in the evaluations.
    """

    settings: Mapping[str, Mapping[str, Any]]
    command: str
    machine: str
    rate_hz: float


def text(metadata: PolicyMetadata, evaluations: Mapping[str, Mapping[str, Any]], made: Made) -> str:
    """The card as Markdown.

    Args:
        metadata: of the policy file.
        evaluations: results of ``evaluation.evaluate`` by the names of ``SETTINGS``.
        made: how.
    """
    robot, trained = metadata.task, metadata.training
    rows = [_row(name, evaluations[name]) for name in SETTINGS if name in evaluations]
    lines = [
        f"# Policy of {robot}",
        "",
        f"A flow-matching policy (arXiv 2502.13406): {metadata.architecture.kind} {metadata.architecture.hidden} that "
        f"predicts the {metadata.architecture.predicts}, {metadata.knots} knots ({metadata.interpolation}) over "
        f"{_horizon_s(metadata):g} s, {metadata.steps} Euler steps.",
        f"Made by `{_training(metadata)}`, this card by `{made.command}`. Machine: {made.machine}.",
        "",
        "## Training",
        "",
        f"- {trained['wall_s']:.0f} s of wall time, {trained['physics_steps'] / 1e6:.0f} M physics steps, "
        f"{trained['iterations']} iterations, seed {trained['seed']}, gpc_ros {metadata.version}.",
        f"- Success of the policy alone in the training's own validation: {_percent(trained['success'])}.",
        *_refined(trained),
        f"- Settings that are not the defaults: {_words(made.settings)}.",
        "",
        "![training](training.png)",
        "",
        "## Evaluation",
        "",
        f"`gpc eval {robot} --planner ...`, {_conditions(evaluations, made.rate_hz)}.",
        "",
        "| planner | success | named start | mean cost | mean step of the command |",
        "|---|---|---|---|---|",
        *rows,
    ]
    if {SEEDED, SAMPLED} <= evaluations.keys():
        lines += ["", _paired(evaluations[SEEDED], evaluations[SAMPLED])]
    return "\n".join(lines) + "\n"


def _training(metadata: PolicyMetadata) -> str:
    robot, refines = metadata.task, metadata.training.get("refines")
    command = f"gpc train {robot}" + (f" --from {refines['base']} --from-log ..." if refines else "")
    last = f" && gpc export runs/{robot}/checkpoint.npz --last" if metadata.training.get("last") else ""
    return command + last


def _refined(trained: Mapping[str, Any]) -> list[str]:
    if not (refines := trained.get("refines")):
        return []
    return [
        f"- The last iteration refined `{refines['base']}` with recorded plans ({refines['files']} files, "
        f"{refines['bytes'] / 1e6:.1f} MB); before, success was {_percent(refines['success'])}."
    ]


def _row(name: str, result: Mapping[str, Any]) -> str:
    named = "succeeds" if result["named_start"]["success"] else "fails"
    return (
        f"| {name} | {result['successes']} of {result['starts']} | {named} "
        f"| {result['mean_cost']:.3g} +- {result['cost_std']:.2g} | {result['mean_abs_du']:.2g} |"
    )


def _paired(seeded: Mapping[str, Any], sampled: Mapping[str, Any]) -> str:
    """The mean difference in cost over the same starts, with its standard error."""
    pairs = zip(seeded["per_start"], sampled["per_start"], strict=False)
    differences = np.array([a["cost"] - b["cost"] for a, b in pairs])
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return (
        f"At {CANDIDATES} candidates each, without a polish, seeding changes the mean cost by "
        f"{differences.mean():+.3g} +- {error:.2g} (paired over {len(differences)} starts; lower in "
        f"{int((differences < 0).sum())} of them)."
    )


def _conditions(evaluations: Mapping[str, Mapping[str, Any]], rate_hz: float) -> str:
    first = next(iter(evaluations.values()))
    return f"{rate_hz:g} Hz, {'EKF on noisy positions' if first['estimator'] == 'ekf' else 'true state'}, lock-step"


def _horizon_s(metadata: PolicyMetadata) -> float:
    intervals = metadata.knots - (metadata.interpolation != "zero")
    return round(intervals * metadata.period_ns * 1e-9, 6)


def _percent(share: float | None) -> str:
    return "none was done" if share is None else f"{100 * share:.0f} %"


def _words(settings: Mapping[str, Mapping[str, Any]]) -> str:
    words = [f"`{section}.{name}={value}`" for section, given in settings.items() for name, value in given.items()]
    return ", ".join(words) or "none"
