"""Publishes some of the candidates of the newest replan, at a low rate and only when somebody listens."""

from __future__ import annotations

from typing import Any

_PERIOD_S = 0.1
_COUNT = 12


class CandidatesPublisher:
    """``spc/candidates``: what the planner of ``shell`` tried last, from the cheapest to the dearest."""

    def __init__(self, shell: Any, publisher: Any) -> None:
        self._shell = shell
        self._publisher = publisher
        self._sent_ns = 0
        shell.node.create_timer(_PERIOD_S, self._publish)

    def _publish(self) -> None:
        if self._shell.plan is None or not self._publisher.get_subscription_count():
            return
        found = self._shell.planner.candidates(_COUNT)
        if found is None or found[0].stamp_ns == self._sent_ns:
            return
        self._sent_ns = found[0].stamp_ns
        self._publisher.publish(self._shell.codec.encode_candidates(*found))
