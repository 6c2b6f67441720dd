"""The queue before the file: never in the way, in order, and honest about what is missing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("mcap", reason="needs mcap")
pytest.importorskip("std_msgs.msg", reason="needs the ROS package std_msgs")
import tapes

from gpc_ros.recording.mcap_file import Entry, McapFile
from gpc_ros.recording.reader import Recording
from gpc_ros.recording.tape import Tape
from gpc_ros.spec import Qos


class Desk:
    """A tape that writes when it is told to, unless it is started."""

    def __init__(self, folder: Path) -> None:
        self.file = McapFile(folder / "a.mcap")
        self.channels = {topic: self.file.channel(topic, "std_msgs/String", Qos.EVENT) for topic in ("/a", "/b")}
        self.tape = Tape(self.file, 100)
        self.count = 0

    def put(self, topic: str, log_ns: int) -> None:
        self.count += 1
        self.tape.put(topic, Entry(self.channels[topic], log_ns, 0, self.count, tapes.text(topic)))

    def written(self) -> list[tuple[str, int, int]]:
        return [(m.channel.topic, m.log_ns, m.sequence) for m in Recording(self.file.path).messages()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(tmp_path)
    yield found
    found.file.abandon()


def test_topics_are_written_in_the_order_of_arrival(desk: Desk) -> None:
    for topic, times in (("/a", (10, 20, 40)), ("/b", (5, 20, 30))):
        for at_ns in times:
            desk.put(topic, at_ns)
    desk.tape.write()
    assert desk.written() == [
        ("/b", 5, 4), ("/a", 10, 1), ("/a", 20, 2), ("/b", 20, 5), ("/b", 30, 6), ("/a", 40, 3),
    ]  # fmt: skip
    assert desk.tape.written == {"/a": 3, "/b": 3}
    assert desk.tape.size == desk.file.path.stat().st_size


def test_on_one_topic_nothing_is_overtaken(desk: Desk) -> None:
    """A message that was lost and sent again comes after one that arrived before it, also for who sorts by time."""
    for at_ns in (10, 30, 20, 25, 40):
        desk.put("/a", at_ns)
    desk.tape.write()
    assert [(at_ns, count) for _, at_ns, count in desk.written()] == [(10, 1), (30, 2), (30, 3), (30, 4), (40, 5)]


def test_what_does_not_fit_is_dropped_and_counted_and_the_rest_is_whole(desk: Desk) -> None:
    desk.tape.limit = 3
    for at_ns in range(5):
        desk.put("/a", at_ns)
    desk.put("/b", 9)
    assert desk.tape.waiting == 3
    desk.tape.write()
    desk.put("/b", 10)
    desk.tape.close()
    assert desk.tape.dropped == {"/a": 2, "/b": 1}
    assert [count for _, _, count in desk.written()] == [1, 2, 3, 7]


def test_the_limit_can_change(desk: Desk) -> None:
    desk.tape.limit = 1
    desk.put("/a", 1)
    desk.put("/a", 2)
    desk.tape.limit = 2
    desk.put("/a", 3)
    assert (desk.tape.waiting, desk.tape.dropped) == (2, {"/a": 1})


def test_the_thread_writes_unasked_and_the_end_writes_the_rest(desk: Desk) -> None:
    desk.tape.start()
    desk.put("/a", 1)
    while not desk.tape.written:
        time.sleep(0.01)
    assert [count for _, _, count in desk.written()] == [1]
    desk.put("/a", 2)
    desk.tape.note("gpc_ros", {"robot": "r"})
    desk.tape.close()
    recording = Recording(desk.file.path)
    assert (recording.counts, recording.about, recording.flaw) == ({"/a": 2}, {"robot": "r"}, "")
    assert desk.tape.size == desk.file.path.stat().st_size


def test_after_a_write_that_failed_it_says_so_and_counts(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.put("/a", 1)
    desk.tape.write()

    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(desk.file, "flush", full)
    for at_ns in (2, 3):
        desk.put("/a", at_ns)
    desk.tape.write()
    desk.put("/b", 4)
    assert desk.tape.trouble == f"{desk.file.path}: No space left on device"
    assert desk.tape.written == {"/a": 1}
    assert desk.tape.dropped == {"/a": 2, "/b": 1}
    desk.tape.close()
    assert [count for _, _, count in desk.written()] == [1]


def test_a_disk_that_is_full_at_the_end_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> int:
        raise OSError(28, "No space left on device")

    desk.put("/a", 1)
    monkeypatch.setattr(desk.file, "close", full)
    desk.tape.close()
    assert "No space left" in desk.tape.trouble
    assert [count for _, _, count in desk.written()] == [1]
