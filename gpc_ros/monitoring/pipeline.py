"""The stack as its messages show it: rates, latencies, losses of the last seconds, and what is not as it should be."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from gpc_ros import spec
from gpc_ros.monitoring.journey import Journey
from gpc_ros.monitoring.stream import Stream

_LOOP = ("joint_states", "state_estimate", "command")
_SLOW = 0.9  # of the loop's rate
_LATE_PERCENT = 5.0
_PLAN_AGE_MS = 500.0
_SECOND_NS = 1_000_000_000
_HELD_UP_NS = 250_000_000


class Pipeline:
    """Told of each message by ``add``, asked once a second by ``figures`` and ``troubles``, then told to ``roll``.

    Times of sending are [ns] of one clock, the publishers' own: how late a message is told here makes no difference.

    Args:
        topics: the topics that it is told of.
        rate_hz: the rate of the loop [Hz].
        lockstep: time advances with the commands, so that no rate and no deadline is to be kept.
        window_s: how far the figures reach back [s].
        begin_ns: the time [ns, steady] from which it is told.
    """

    def __init__(self, topics: Iterable[str], *, rate_hz: float, lockstep: bool, window_s: int, begin_ns: int) -> None:
        self._rate_hz, self._lockstep = rate_hz, lockstep
        self._period_ns = round(1e9 / rate_hz)
        self.journey = Journey(window_s, self._period_ns)
        self.streams = {topic: Stream(window_s) for topic in topics}
        self._begun = deque([begin_ns], maxlen=window_s + 1)
        self._heard: set[str] = set()

    def add(self, topic: str, stamp_ns: int, sent_ns: int, number: int | None, publisher: bytes) -> None:
        """A message with ``stamp_ns`` was sent at ``sent_ns``, the ``number``-th of ``publisher``."""
        self.streams[topic].add(sent_ns, number, publisher)
        if topic == "command":
            self.journey.commanded(stamp_ns, sent_ns)
        elif topic == "state_estimate":
            self.journey.estimated(stamp_ns, sent_ns)
        elif topic == "joint_states":
            self.journey.measured(stamp_ns, sent_ns)
        elif planner := spec.planner_of(topic):
            self.journey.planned(planner, stamp_ns, sent_ns)

    def roll(self, now_ns: int) -> None:
        """Begin a new second at ``now_ns`` [ns, steady]: what is older than the window is forgotten."""
        self.journey.roll()
        for topic, stream in self.streams.items():
            (self._heard.add if stream.rate_hz else self._heard.discard)(topic)
            stream.roll()
        self._begun.append(now_ns)

    def figures(self, now_ns: int) -> dict[str, object]:
        """All figures at ``now_ns`` [ns, steady]: times in ms, rates in Hz."""
        journey, periods = self.journey, self.streams["command"].periods
        rates = self._rates()
        found: dict[str, object] = {f"rate_hz {topic}": hz for topic, hz in rates.items() if hz or topic in _LOOP}
        times = {f"{name}_ms": leg.summary() for name, leg in journey.legs().items()}
        times["plan_age_ms"] = journey.plan_age.summary()
        times["command_period_ms"] = periods.summary()
        times["command_jitter_ms"] = periods.summary(nominal_ns=self._period_ns)
        for name, summary in times.items():
            found |= {f"{name} {key}": value for key, value in summary.items()}
        found["deadline_misses"] = self.misses
        found["deadline_misses_percent"] = self.misses_percent
        found["lost"] = sum(stream.lost for stream in self.streams.values())
        found["window_s"] = (now_ns - self._begun[0]) / 1e9
        return found

    def _rates(self) -> dict[str, float]:
        """Rates of the present second by topic [Hz]."""
        return {topic: stream.rate_hz for topic, stream in self.streams.items()}

    @property
    def misses(self) -> int:
        """Measurements whose command came more than a period later, or never."""
        journey = self.journey
        return journey.late.total + max(0, journey.unanswered.total - self.streams["command"].lost)

    @property
    def misses_percent(self) -> float:
        """``misses`` of all measurements [%]."""
        asked = self.journey.answered.total + self.misses - self.journey.late.total
        return 100.0 * self.misses / asked if asked else 0.0

    def troubles(self, now_ns: int) -> list[str]:
        """What is not as it should be, one line each; who is told too late knows only that."""
        if (held_up_ns := now_ns - self._begun[-1] - _SECOND_NS) > _HELD_UP_NS:
            return [f"the monitor itself was held up for {held_up_ns / 1e9:.1f} s"]
        rates = self._rates()
        if silent := [topic for topic in _LOOP if not rates[topic]]:
            return [f"no {silent[0]}"]
        if self._lockstep:
            return []
        found = [
            f"{topic} at {rates[topic]:.0f} Hz, not {self._rate_hz:g}"
            for topic in _LOOP
            if topic in self._heard and rates[topic] < _SLOW * self._rate_hz
        ]
        if self.misses_percent > _LATE_PERCENT:
            found.append(f"{self.misses_percent:.0f} % of the commands late")
        if (age_ms := self.journey.plan_age.summary().get("p50", 0.0)) > _PLAN_AGE_MS:
            found.append(f"plans of {self.journey.active} are {age_ms:.0f} ms old")
        return found
