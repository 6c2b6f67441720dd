"""What an estimator is: one verb, from measurements to an estimate, and one to coast without them."""

from __future__ import annotations

from abc import ABC, abstractmethod

from gpc_ros.errors import InvalidSignal
from gpc_ros.signals import Command, Estimate, Measurement
from gpc_ros.statistics import Counts


class Estimator(ABC):
    """Keeps what is known of the state. Nothing that arrives makes it raise: bad input is refused and counted.

    ``counters`` holds how often each reason occurred, ``last_refusal`` the latest message, for the log.
    """

    def __init__(self) -> None:
        self.counters = Counts()
        self.last_refusal = ""

    @abstractmethod
    def update(
        self, measurement: Measurement, command: Command | None = None, *, now_ns: int | None = None
    ) -> Estimate:
        """Take in ``measurement``.

        Args:
            measurement: what the sensors said.
            command: what was applied since the measurement before; None: the safe command.
            now_ns: time [ns] on the clock of the stamps; where given, stamps ahead of it are refused.

        Returns:
            The estimate at the measurement's stamp: coasted where its readings were refused, and unhealthy where that
            is no longer possible. At an older stamp where the measurement's stamp itself was refused.
        """

    @abstractmethod
    def predict(self, stamp_ns: int, command: Command | None = None) -> Estimate | None:
        """The estimate at ``stamp_ns`` [ns] if nothing more were measured; changes nothing. None if it cannot tell."""

    def refuse(self, refusal: InvalidSignal) -> None:
        """Count ``refusal`` by its reason."""
        self.counters[refusal.reason] += 1
        self.last_refusal = str(refusal)
