"""Keeps a job that recurs to a share of one core, whatever it costs."""

from __future__ import annotations


class Budget:
    """When the job is due again: after its period, or later if it was dear. Times [ns] are on a steady clock."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._next_ns = 0

    def due(self, now_ns: int) -> bool:
        """Whether the job may be done at ``now_ns``."""
        return now_ns >= self._next_ns

    def spent(self, now_ns: int, used_ns: int) -> None:
        """The job was done, ended at ``now_ns`` and used ``used_ns`` of the processor."""
        self._next_ns = now_ns + round(used_ns / self._share) - used_ns
