"""The loop: data, deadlines and posted work in one thread that nothing ends but a request to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("std_msgs.msg", reason="needs the ROS package std_msgs")
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rig import PATIENCE_S
from std_msgs.msg import String

from gpc_ros.clock import FakeClock
from gpc_ros.nodes.loop import Loop

pytestmark = pytest.mark.ros
MS = 1_000_000


@pytest.fixture
def context(domain: int) -> Iterator[Context]:
    found = Context()
    rclpy.init(args=[], context=found, domain_id=domain)
    yield found
    rclpy.try_shutdown(context=found)


@pytest.fixture
def node(context: Context) -> Iterator[Node]:
    found = Node("looping", context=context, start_parameter_services=False, enable_rosout=False)
    yield found
    found.destroy_node()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def loop(context: Context, clock: FakeClock) -> Iterator[Loop]:
    found = Loop(context, clock=clock)
    yield found
    found.stop()


def turned(loop: Loop) -> None:
    """Wait until the loop has begun another turn: what was due before has been done."""
    for _ in range(2):
        begun = threading.Event()
        loop.post(begun.set)
        assert begun.wait(PATIENCE_S)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_deadlines_are_absolute_and_missed_ones_are_skipped(loop: Loop, clock: FakeClock) -> None:
    lateness: list[int] = []
    deadline = loop.every(10 * MS, lateness.append)
    loop.start()
    turned(loop)
    assert lateness == []  # no clock, no call, however often the loop turns
    for now, expected in [
        (10, [0]),
        (19, [0]),
        (23, [0, 3]),
        (30, [0, 3, 0]),
        (75, [0, 3, 0, 35]),
        (80, [0, 3, 0, 35, 0]),
    ]:
        clock.now_ns = now * MS
        turned(loop)
        assert [late // MS for late in lateness] == expected
    assert deadline.overruns == 3  # 50, 60, 70: no burst to catch up


def test_time_before_the_start_is_not_late(loop: Loop, clock: FakeClock) -> None:
    lateness: list[int] = []
    loop.every(10 * MS, lateness.append)
    clock.now_ns = 1000 * MS
    loop.start()
    turned(loop)
    assert lateness == []


def test_what_raises_is_counted_reported_and_survived(loop: Loop, clock: FakeClock) -> None:
    reports: list[str] = []
    loop.report = reports.append

    def broken(lateness_ns: int) -> None:
        raise KeyError("elbow")

    after: list[int] = []
    loop.every(10 * MS, broken)
    loop.every(10 * MS, after.append)
    loop.start()
    turned(loop)
    for tick in (1, 2, 3):
        clock.now_ns = 10 * tick * MS
        turned(loop)
    assert len(after) == 3
    ((name, number),) = loop.counts.items()
    assert name.startswith("KeyError in ")
    assert name.endswith("broken")
    assert number == 3
    assert len(reports) == 3
    assert "'elbow'" in reports[0]
    assert "test_loop.py:" in reports[0]


def test_posted_work_is_done_in_order_in_the_loops_thread(loop: Loop) -> None:
    done: list[tuple[int, str]] = []
    for number in range(5):
        loop.post(lambda number=number: done.append((number, threading.current_thread().name)))
    assert done == []  # nothing before the start
    loop.start()
    until(lambda: len(done) == 5)
    assert done == [(number, "loop") for number in range(5)]


def test_it_prepares_in_its_own_thread_first(loop: Loop) -> None:
    done: list[str] = []
    loop.post(lambda: done.append("posted"))
    loop.start(lambda: done.append(threading.current_thread().name))
    until(lambda: len(done) == 2)
    assert done == ["loop", "posted"]


def test_every_message_is_taken_once_and_in_order_though_the_executor_spins_too(
    loop: Loop, node: Node, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    taken: list[str] = []
    threads: set[str] = set()

    def take(data: bytes, info: object) -> None:
        taken.append(deserialize_message(data, String).data)
        threads.add(threading.current_thread().name)

    subscription = loop.subscribe(node, String, "words", QoSProfile(depth=50), take)
    publisher = node.create_publisher(String, "words", 50)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    until(lambda: subscription.get_publisher_count() == 1 and publisher.get_subscription_count() == 1)
    for number in range(20):
        publisher.publish(String(data=str(number)))
    for _ in range(20):
        executor.spin_once(timeout_sec=0.005)
    assert taken == []  # the executor leaves the loop's subscriptions alone
    loop.start()
    for number in range(20, 40):
        publisher.publish(String(data=str(number)))
        executor.spin_once(timeout_sec=0.0)
    until(lambda: len(taken) >= 40)
    executor.shutdown()
    assert taken == [str(number) for number in range(40)]
    assert threads == {"loop"}


def test_what_was_posted_before_a_message_came_is_done_before_it_is_taken(loop: Loop, node: Node) -> None:
    done: list[str] = []
    loop.subscribe(
        node,
        String,
        "words",
        QoSProfile(depth=50),
        lambda data, info: done.append(deserialize_message(data, String).data),
    )
    publisher = node.create_publisher(String, "words", 50)
    until(lambda: publisher.get_subscription_count() == 1)
    loop.start()
    for number in range(50):
        loop.post(lambda number=number: done.append(f"posted {number}"))
        publisher.publish(String(data=f"message {number}"))
    until(lambda: len(done) == 100)
    for number in range(50):
        assert done.index(f"posted {number}") < done.index(f"message {number}")


def test_a_raising_message_callback_does_not_lose_those_that_follow(loop: Loop, node: Node) -> None:
    taken: list[str] = []

    def take(data: bytes, info: object) -> None:
        text = deserialize_message(data, String).data
        if text == "1":
            raise ValueError(text)
        taken.append(text)

    loop.subscribe(node, String, "words", QoSProfile(depth=50), take)
    publisher = node.create_publisher(String, "words", 50)
    until(lambda: publisher.get_subscription_count() == 1)
    for number in range(4):
        publisher.publish(String(data=str(number)))
    loop.start()
    until(lambda: len(taken) == 3)
    assert taken == ["0", "2", "3"]
    assert sum(loop.counts.values()) == 1


@pytest.mark.parametrize("with_data", [False, True])
def test_stop_ends_the_thread(loop: Loop, node: Node, with_data: bool) -> None:
    if with_data:
        loop.subscribe(node, String, "words", QoSProfile(depth=1), lambda data, info: None)
    loop.start()
    turned(loop)
    loop.stop()
    assert "loop" not in {thread.name for thread in threading.enumerate()}
    loop.stop()  # twice is no harm


def test_stop_before_the_start_is_no_harm(loop: Loop) -> None:
    loop.stop()
