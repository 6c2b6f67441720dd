"""The loop of a node: one thread, woken by the arrival of data or by an absolute deadline, whichever comes first.

An rclpy executor rebuilds its picture of the node at every turn and its timers fall behind under load. This loop
waits on the few subscriptions that matter, takes their bytes, and leaves parameters and services to an executor in
another thread: ``Quiet`` hides the loop's subscriptions from it.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.context import Context
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.qos import QoSProfile

from gpc_ros.clock import Deadline
from gpc_ros.statistics import Counts

_LONGEST_WAIT_NS = 20_000_000  # so that a request to stop is seen in time


class Quiet(CallbackGroup):
    """A callback group that no executor serves: its subscriptions belong to a ``Loop``."""

    def can_execute(self, entity: Any) -> bool:
        """Never."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Never."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing to do."""


class Loop:
    """Calls back on messages and deadlines in one thread. A callback that raises is counted, reported, survived."""

    def __init__(self, context: Context, *, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._context = context
        self._clock = clock
        self._subscriptions: dict[int, tuple[Any, Callable[[bytes, Any], None]]] = {}
        self._timers: list[tuple[Deadline, Callable[[int], None]]] = []
        self._posted: deque[Callable[[], None]] = deque()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.counts = Counts()
        self.report: Callable[[str], None] = lambda line: None
        """Takes one line about an exception in a callback."""

    def subscribe(
        self, node: Any, message: type, topic: str, qos: QoSProfile, callback: Callable[[bytes, Any], None]
    ) -> Any:
        """Have ``callback(bytes, info)`` called for every message of ``topic``; before ``start``."""
        subscription = node.create_subscription(message, topic, _unused, qos, raw=True, callback_group=Quiet())
        self._subscriptions[subscription.handle.pointer] = (subscription, callback)
        return subscription

    def every(self, period_ns: int, callback: Callable[[int], None]) -> Deadline:
        """Have ``callback(lateness_ns)`` called at absolute deadlines ``period_ns`` apart; before ``start``."""
        deadline = Deadline(period_ns, clock=self._clock)
        self._timers.append((deadline, callback))
        return deadline

    def post(self, callback: Callable[[], None]) -> None:
        """Have ``callback()`` called in the loop's thread soon: how other threads change what the loop works on.

        Messages that come after this has returned, and deadlines, find it done.
        """
        self._posted.append(callback)

    def start(self, prepare: Callable[[], None] = lambda: None) -> None:
        """Run in a thread of its own, which calls ``prepare`` first."""

        def body() -> None:
            self.guard(prepare)
            self._run()

        self._thread = threading.Thread(target=body, name="loop", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self) -> None:
        with ExitStack() as stack:
            for subscription, _ in self._subscriptions.values():
                stack.enter_context(subscription.handle)
            stack.enter_context(self._context.handle)
            wait_set = _rclpy.WaitSet(max(1, len(self._subscriptions)), 0, 0, 0, 0, 0, self._context.handle)
            for deadline, _ in self._timers:
                deadline.restart()
            while not self._stop.is_set():
                self._turn(wait_set)

    def _turn(self, wait_set: Any) -> None:
        self._do_posted()
        wait_set.clear_entities()
        for subscription, _ in self._subscriptions.values():
            wait_set.add_subscription(subscription.handle)
        nearest = min((deadline.remaining_ns() for deadline, _ in self._timers), default=_LONGEST_WAIT_NS)
        if self._subscriptions:
            wait_set.wait(max(0, min(nearest, _LONGEST_WAIT_NS)))
            for pointer in wait_set.get_ready_entities("subscription"):
                self._take(*self._subscriptions[pointer])
        else:
            time.sleep(max(0, min(nearest, _LONGEST_WAIT_NS)) / 1e9)
        for deadline, callback in self._timers:
            if deadline.remaining_ns() <= 0:
                self._do_posted()
                self.guard(callback, deadline.advance())

    def _take(self, subscription: Any, callback: Callable[[bytes, Any], None]) -> None:
        while (taken := subscription.handle.take_message(subscription.msg_type, True)) is not None:
            self._do_posted()
            self.guard(callback, *taken)

    def _do_posted(self) -> None:
        while self._posted:
            self.guard(self._posted.popleft())

    def guard(self, callback: Callable[..., None], *args: Any) -> None:
        """Call ``callback(*args)``; an exception is counted and reported, not raised."""
        try:
            callback(*args)
        except Exception as error:  # an exception here would end the loop, and with it the robot's control
            name = f"{type(error).__name__} in {getattr(callback, '__qualname__', callback)}"
            self.counts[name] += 1
            frame = traceback.extract_tb(error.__traceback__)[-1]
            self.report(f"{name}: {error} ({frame.filename.rsplit('/', 1)[-1]}:{frame.lineno})")


def _unused(message: Any) -> None:
    """Stands in for the callback that the loop calls itself."""
