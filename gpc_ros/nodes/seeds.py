"""Samples of the policy as seeds: the latest, while they are fresh."""

from __future__ import annotations

from typing import Any

from gpc_ros.control.previous import unfit
from gpc_ros.control.spc import Spc
from gpc_ros.signals import Array, Estimate, Samples


class Seeds:
    """What came last on ``policy/samples``."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._samples: Samples | None = None
        self.used = 0
        """Seeds of the last plan."""

    def take(self, samples: Samples) -> None:
        """Keep ``samples`` in place of those of before."""
        self._samples = samples

    def answer(self, estimate: Estimate) -> bool:
        """Whether the samples there are were made from ``estimate`` itself."""
        samples = self._samples
        return samples is not None and (samples.stamp_ns, samples.epoch) == (estimate.stamp_ns, estimate.epoch)

    def of(self, planner: Spc, estimate: Estimate, start_ns: int) -> Array | None:
        """Seeds (S, K, nu) of a plan from ``estimate`` that begins at ``start_ns``; None without fresh samples."""
        samples = self._samples
        reason = "none yet" if samples is None else unfit(samples, estimate, self._shell.value.seed_age_ns)
        if samples is None or reason:
            self._shell.counts[f"policy/samples: {reason}"] += 1
            self.used = 0
            return None
        self.used = len(samples.knots)
        return planner.seeds(samples, start_ns)
