"""Puts one measurement together from what comes over several topics."""

from __future__ import annotations

from collections.abc import Iterable

from gpc_ros.signals import Measurement

_PATIENCE = 3  # measurements that wait in vain for a part, after which none waits any more


class Assembly:
    """Joins the joints' states with the ``parts`` (such as the odometry of each free joint) of the same time.

    The joints' states set the pace. They wait for parts of their own stamp, until the next ones come at the latest;
    after a few that waited in vain they wait no more, until a part is in step again. Then each part that came since
    goes with the first states whose stamp is within ``tolerance_ns`` of its own. Without any parts, all passes through.
    """

    def __init__(self, parts: Iterable[str], tolerance_ns: int) -> None:
        self._names = tuple(parts)
        self._tolerance_ns = tolerance_ns
        self._parts: dict[str, Measurement] = {}
        self._waiting: Measurement | None = None
        self._given: Measurement | None = None
        self._missed = 0

    def add_states(self, states: Measurement) -> list[Measurement]:
        """Take in joints' states; what is ready, oldest first."""
        ready, before = [], self._waiting
        if before is not None and before.epoch == states.epoch and before.stamp_ns < states.stamp_ns:
            self._missed += 1
            ready.append(self._give(before))
        self._waiting = states
        if self._complete(states) or self._missed >= _PATIENCE:
            ready.append(self._give(states))
        return ready

    def add_part(self, name: str, part: Measurement) -> list[Measurement]:
        """Take in a part; what is ready by it."""
        self._parts[name] = part
        states = self._waiting or self._given
        if states is None or not self._complete(states):
            return []
        self._missed = 0
        return [self._give(states)] if self._waiting else []

    def _complete(self, states: Measurement) -> bool:
        stamps = {self._parts[name].stamp_ns for name in self._names if name in self._parts}
        return not self._names or (len(self._parts) == len(self._names) and stamps == {states.stamp_ns})

    def _give(self, states: Measurement) -> Measurement:
        """``states`` with the parts that belong to them; a part that is not of their stamp goes only once."""
        self._waiting, self._given = None, states
        readings = dict(states.readings)
        tolerance_ns = self._tolerance_ns if self._missed >= _PATIENCE else 0
        for name, part in list(self._parts.items()):
            if abs(part.stamp_ns - states.stamp_ns) <= tolerance_ns:
                readings |= part.readings
                if part.stamp_ns != states.stamp_ns:
                    del self._parts[name]
        return Measurement(states.stamp_ns, readings, states.epoch)
