"""Node ``recorder``: whatever makes a node of the stack act, and what it does, as it came, into an MCAP file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import ParameterEvent
from rclpy.serialization import deserialize_message

from gpc_ros import __version__, spec
from gpc_ros.nodes import realtime
from gpc_ros.nodes.messages import message_class
from gpc_ros.nodes.parameter_survey import ParameterSurvey
from gpc_ros.nodes.running import run
from gpc_ros.nodes.shell import Shell
from gpc_ros.nodes.tap import Tap
from gpc_ros.recording.mcap_file import Entry, McapFile, new_file
from gpc_ros.recording.tape import Tape
from gpc_ros.spec import Qos
from gpc_ros.statistics import Counts

_DRAIN_NS = 20_000_000
_SILENCE_S, _LAST_WORDS_S = 0.2, 1.0  # at the end: the last words of the others are recorded too
_CHANGES = "/parameter_events"


class Recorder(Shell):
    """Collects fifty times a second what has come, for a thread that writes it; decodes changes of parameters alone."""

    name = "recorder"

    def __init__(self, loop: Any, context: Any) -> None:
        super().__init__(loop, context)
        p = self.value
        if p.niceness:
            realtime.set_up_observer(p.niceness, self.node.get_logger().info)
        self.lost = Counts()
        self.file = McapFile(new_file(Path(p.folder).expanduser().absolute(), p.robot))
        self.tape = Tape(self.file, p.queue)
        self._begin_s = self._heard_s = time.monotonic()
        self._taps = [tapped for topic in spec.NODES[self.name].inputs for tapped in self._tapped(topic)]
        self.survey = ParameterSurvey(self, self._note_parameters)
        changes = Tap(self.node, ParameterEvent, _CHANGES, Qos.EVENT, depth=1000, lost=self.lost)
        self._taps.append((changes, lambda data, _: self.survey.hear(deserialize_message(data, ParameterEvent))))
        self.parameters.on_change(lambda new: setattr(self.tape, "limit", new.queue))
        self._note_run()
        loop.every(_DRAIN_NS, self._drain)

    def _tapped(self, topic: str) -> Iterator[tuple[Tap, Callable[[bytes, Any], None]]]:
        """A topic of the table, and what is done with its messages; of one that each free joint has, all there are."""
        entry, p = spec.TOPICS[topic], self.value
        kind, each = message_class(entry.message), "free_joint" in topic
        for name in map(entry.of, self.codec.free_joints) if each else (topic,):
            tap = Tap(self.node, kind, name, entry.qos, depth=p.depth, lost=self.lost, lockstep=p.lockstep)
            channel = self.file.channel(tap.topic, entry.message, entry.qos)
            yield tap, partial(self._keep, tap.topic, channel)

    def start(self) -> None:
        """Begin to write."""
        self.tape.start()
        self.say("info", f"recording to {self.file.path}")

    def _drain(self, lateness_ns: int = 0) -> None:
        for tap, take in self._taps:
            tap.drain(take)

    def _keep(self, topic: str, channel: int, data: bytes, info: Any) -> None:
        self._heard_s = time.monotonic()
        sent_ns, count = info["source_timestamp"], info["publication_sequence_number"] or 0
        self.tape.put(topic, Entry(channel, info["received_timestamp"] or sent_ns, sent_ns, count, data))

    def _note_run(self) -> None:
        """What a reader has to know of the run."""
        p = self.value
        about = {
            "robot": p.robot,
            "version": __version__,
            "namespace": self.node.get_namespace(),
            "rate_hz": str(p.rate_hz),
            "lockstep": json.dumps(p.lockstep),
            "begin": datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        self.tape.note("gpc_ros", about)

    def _note_parameters(self, node: str, time_ns: int, values: Mapping[str, Any]) -> None:
        self.tape.note("parameters", {"node": node, "time_ns": str(time_ns), "values": json.dumps(values)})

    def close(self) -> None:
        """Hear the others out, write all, say what there is; a recorder that never began leaves no file."""
        if not self.tape.started:
            self.file.discard()
            return
        end_s = time.monotonic() + _LAST_WORDS_S
        while time.monotonic() < min(end_s, self._heard_s + _SILENCE_S):
            self._drain()
            time.sleep(_DRAIN_NS / 1e9)
        self._drain()
        missing = self.tape.dropped + self.lost
        self.tape.note("missing", {topic: str(number) for topic, number in missing.items()})
        self.tape.close()
        told = self.summary()
        self.node.get_logger().info(
            f"recorded {told['messages']} messages in {told['duration_s']:.1f} s ({told['megabytes']:.1f} MB, "
            f"{told['dropped']} dropped, {told['lost']} lost before they came here): {self.file.path}"
        )

    def trouble(self) -> str:
        """What is missing in the file."""
        if self.tape.trouble:
            return f"not recording: {self.tape.trouble}"
        return f"{self.tape.dropped.total()} messages dropped" if self.tape.dropped else ""

    def figures(self) -> dict[str, object]:
        """Where to, how much, and what is missing."""
        if self.tape.trouble:
            self.say("error", self.trouble(), key="trouble")
        return {
            **self.summary(),
            "waiting": self.tape.waiting,
            "dropped by topic": self.tape.dropped.text(),
            "lost by topic": self.lost.text(),
        }

    def summary(self) -> dict[str, object]:
        """The file, and how many messages are in it and are not."""
        tape = self.tape
        return {
            "file": str(self.file.path),
            "messages": tape.written.total(),
            "megabytes": tape.size / 1e6,
            "duration_s": time.monotonic() - self._begin_s,
            "dropped": tape.dropped.total(),
            "lost": self.lost.total(),
        }


def main() -> int:
    """Entry point."""
    return run([Recorder])


if __name__ == "__main__":
    raise SystemExit(main())
