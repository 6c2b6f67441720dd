"""The way of a measurement through the stack: by its stamp, which all that descends from it keeps."""

from __future__ import annotations

from collections import deque

from gpc_ros.monitoring.recent import Tally, Times

_KEPT_NS = 500_000_000  # an answer that takes longer counts as none
_PLANS = 100
_AGE_MOST_NS = 10_000_000_000  # an age beyond is one of another epoch

Sent = dict[int, int]
"""Times of sending [ns] by stamp [ns]."""


class Journey:
    """Latencies from when measurements, estimates, plans and commands were sent [ns, all of one clock].

    From publication to publication, so that how late this is told makes no difference, as long as all that was sent
    before ``settle`` has been told. Answers to a question that is asked again are counted once.
    """

    def __init__(self, seconds: int, period_ns: int) -> None:
        self.sensor_to_estimate = Times(seconds)
        self.estimate_to_command = Times(seconds)
        self.sensor_to_command = Times(seconds)
        self.estimate_to_plan = Times(seconds)
        self.plan_age = Times(seconds)
        self.answered = Tally(seconds)
        self.late = Tally(seconds)
        """Commands that took longer than a period."""
        self.unanswered = Tally(seconds)
        """Measurements without a command."""
        self.active = ""
        """The planner whose plans count."""
        self._period_ns = period_ns
        self._measured: Sent = {}
        self._estimated: Sent = {}
        self._commanded: Sent = {}
        self._new: dict[str, list[tuple[int, int]]] = {"estimate": [], "plan": [], "command": []}
        self._plans: deque[tuple[int, int]] = deque(maxlen=_PLANS)  # sent after the last command
        self._plan_stamp_ns = 0

    def drives(self, planner: str) -> None:
        """From now on it is the plans of ``planner`` that count."""
        if planner != self.active:
            self.active, self._plan_stamp_ns = planner, 0
            self._plans.clear()

    def measured(self, stamp_ns: int, sent_ns: int) -> None:
        """A measurement was sent, perhaps again: what counts is the last time before its answer."""
        if sent_ns <= self._commanded.get(stamp_ns, sent_ns):
            self._measured.pop(stamp_ns, None)  # last in order of sending
            self._measured[stamp_ns] = sent_ns

    def estimated(self, stamp_ns: int, sent_ns: int) -> None:
        """An estimate was sent."""
        if stamp_ns not in self._estimated:
            self._estimated[stamp_ns] = sent_ns
            self._new["estimate"].append((stamp_ns, sent_ns))

    def planned(self, planner: str, stamp_ns: int, sent_ns: int) -> None:
        """A plan was sent."""
        if planner == self.active:
            self._new["plan"].append((stamp_ns, sent_ns))

    def commanded(self, stamp_ns: int, sent_ns: int) -> None:
        """A command was sent."""
        if stamp_ns not in self._commanded:
            self._commanded[stamp_ns] = sent_ns
            self._new["command"].append((stamp_ns, sent_ns))

    def settle(self) -> None:
        """Match what was told since the last time with what it answers."""
        for stamp_ns, sent_ns in self._new["estimate"]:
            _add(self.sensor_to_estimate, self._measured, stamp_ns, sent_ns)
        for stamp_ns, sent_ns in self._new["plan"]:
            _add(self.estimate_to_plan, self._estimated, stamp_ns, sent_ns)
            self._plans.append((stamp_ns, sent_ns))
        for stamp_ns, sent_ns in self._new["command"]:
            _add(self.estimate_to_command, self._estimated, stamp_ns, sent_ns)
            taken_ns = _add(self.sensor_to_command, self._measured, stamp_ns, sent_ns)
            if taken_ns >= 0:
                self.answered.add()
                self.late.add(taken_ns > self._period_ns)
            while self._plans and self._plans[0][1] <= sent_ns:
                self._plan_stamp_ns = self._plans.popleft()[0]
            if self._plan_stamp_ns and 0 <= (age_ns := stamp_ns - self._plan_stamp_ns) < _AGE_MOST_NS:
                self.plan_age.add(age_ns)
        for found in self._new.values():
            found.clear()
        self._forget()

    def _forget(self) -> None:
        newest_ns = max((next(reversed(sent.values())) for sent in self._tables() if sent), default=0)
        for sent in self._tables():
            while sent and newest_ns - sent[stamp_ns := next(iter(sent))] > _KEPT_NS:
                del sent[stamp_ns]
                if sent is self._measured and stamp_ns not in self._commanded:
                    self.unanswered.add()

    def _tables(self) -> tuple[Sent, Sent, Sent]:
        return self._measured, self._estimated, self._commanded  # questions first: they look for their answers

    def roll(self) -> None:
        """Begin a new second."""
        for times in (*self.legs().values(), self.plan_age):
            times.roll()
        for tally in (self.answered, self.late, self.unanswered):
            tally.roll()

    def legs(self) -> dict[str, Times]:
        """The latencies by name."""
        return {
            "sensor_to_estimate": self.sensor_to_estimate,
            "estimate_to_plan": self.estimate_to_plan,
            "estimate_to_command": self.estimate_to_command,
            "sensor_to_command": self.sensor_to_command,
        }


def _add(leg: Times, asked: Sent, stamp_ns: int, sent_ns: int) -> int:
    """Add the time that the answer took; -1 if its question is not known, or was asked again later."""
    taken_ns = sent_ns - asked[stamp_ns] if stamp_ns in asked else -1
    if taken_ns >= 0:
        leg.add(taken_ns)
    return taken_ns
