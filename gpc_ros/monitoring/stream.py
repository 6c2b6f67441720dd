"""One topic: how often its messages are sent, how evenly, and how many did not get here."""

from __future__ import annotations

from gpc_ros.monitoring.recent import Tally, Times

_PUBLISHERS = 8  # remembered at a time
_NS_PER_S = 1_000_000_000


class Stream:
    """Messages of one topic by the times at which they were sent [ns, of any one clock].

    Publishers number their messages, which tells what was lost on the way here from what was never sent.
    """

    def __init__(self, seconds: int) -> None:
        self.periods = Times(seconds)
        self._sent = 0  # since the last message of the second before, at ``_base_ns``
        self._base_ns = 0
        self._lost = Tally(seconds)
        self._numbers: dict[bytes, int] = {}
        self._last_ns = 0

    def add(self, sent_ns: int, number: int | None, publisher: bytes) -> None:
        """Take in a message of ``publisher``, its ``number``-th if that is known."""
        if self._last_ns:
            self.periods.add(max(sent_ns - self._last_ns, 0))
        else:
            self._base_ns, self._sent = sent_ns, -1  # the first begins the first interval
        self._last_ns = sent_ns
        missed = 0
        if number is not None:
            before = self._numbers.get(publisher)
            if before is None and len(self._numbers) >= _PUBLISHERS:
                self._numbers.clear()
            missed = 0 if before is None else max(number - before - 1, 0)
            self._numbers[publisher] = number
        self._lost.add(missed)
        self._sent += 1 + missed

    def roll(self) -> None:
        """Begin a new second."""
        self._sent, self._base_ns = 0, self._last_ns
        self.periods.roll()
        self._lost.roll()

    @property
    def rate_hz(self) -> float:
        """Messages sent per second, up to the last that came in the present second; 0 when none came."""
        elapsed_ns = self._last_ns - self._base_ns
        return self._sent * _NS_PER_S / elapsed_ns if elapsed_ns > 0 else 0.0

    @property
    def lost(self) -> int:
        """Messages of the last ``seconds`` that were sent and did not get here."""
        return self._lost.total
