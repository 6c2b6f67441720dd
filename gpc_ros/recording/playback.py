"""Plays messages at the pace at which they were recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from gpc_ros.clock import Clock
from gpc_ros.recording.reader import Message


def play(
    messages: Iterable[Message],
    publish: Callable[[Message], None],
    *,
    begin_ns: int,
    rate: float = 1.0,
    clock: Clock = time.monotonic_ns,
    wait: Callable[[float], object] = time.sleep,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Call ``publish`` with each message at its time; how many there were.

    The times are absolute deadlines from the call on: what comes late delays nothing that follows.

    Args:
        messages: in the order of their arrival.
        publish: what is done with each.
        begin_ns: the time in the recording [ns] at which to begin.
        rate: recorded seconds per second.
        clock: steady time [ns].
        wait: sleeps so many seconds.
        stopped: asked before each message; once true, that was all.
    """
    start_ns, played = clock(), 0
    for message in messages:
        due_ns = start_ns + round((message.log_ns - begin_ns) / rate)
        while not stopped() and (remaining_ns := due_ns - clock()) > 0:
            wait(remaining_ns / 1e9)
        if stopped():
            break
        publish(message)
        played += 1
    return played
