"""Messages on their way to the file: a bounded queue and a thread that writes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

from gpc_ros.recording.mcap_file import Entry, McapFile
from gpc_ros.statistics import Counts

_PERIOD_S = 0.25


class Tape:
    """Takes messages without ever waiting; what does not fit into the queue is dropped and counted by topic.

    Four times a second everything there is goes to the file in the order of its arrival, so that a killed process
    loses what came since. After a write that failed the file stays as it is, and all that follows counts as dropped.

    Args:
        file: where to; the tape closes it.
        limit: messages that may wait.
    """

    def __init__(self, file: McapFile, limit: int) -> None:
        self.limit = limit
        self.written = Counts()
        self.dropped = Counts()
        self.size = 0
        """Bytes in the file."""
        self.trouble = ""
        """Why nothing is written any more."""
        self._file = file
        self._entries: deque[tuple[str, Entry]] = deque()
        self._latest: dict[str, int] = {}  # by topic: when its last message arrived
        self._notes: deque[tuple[str, Mapping[str, str]]] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tape", daemon=True)

    @property
    def waiting(self) -> int:
        """Messages in the queue."""
        return len(self._entries)

    @property
    def started(self) -> bool:
        """Whether anything is or was written."""
        return self._thread.ident is not None

    def put(self, topic: str, entry: Entry) -> None:
        """Have a message of ``topic`` written, after those before it: what was sent again may have arrived earlier."""
        if self.trouble or self._stop.is_set() or len(self._entries) >= self.limit:
            self.dropped[topic] += 1
            return
        self._latest[topic] = max(entry.log_ns, self._latest.get(topic, 0))
        self._entries.append((topic, entry._replace(log_ns=self._latest[topic])))

    def note(self, name: str, values: Mapping[str, str]) -> None:
        """Have a metadata record written."""
        self._notes.append((name, values))

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.wait(_PERIOD_S):
            self.write()

    def write(self) -> None:
        """Write what waits."""
        if self.trouble:
            return
        batch = [self._entries.popleft() for _ in range(len(self._entries))]
        batch.sort(key=lambda item: item[1].log_ns)  # topics come one after the other
        try:
            while self._notes:
                self._file.note(*self._notes.popleft())
            for _, entry in batch:
                self._file.add(entry)
            self._file.flush()
            self.written.update(topic for topic, _ in batch)
            self.size = self._file.size
        except OSError as error:
            self.trouble = f"{self._file.path}: {error.strerror or error}"
            self.dropped.update(topic for topic, _ in batch)

    def close(self) -> None:
        """Write the rest and end the file; what comes after that is dropped."""
        if self._stop.is_set():
            return
        self._stop.set()
        if self.started:
            self._thread.join()
        self.write()
        try:
            if self.trouble:
                self._file.abandon()
            else:
                self.size = self._file.close()
        except OSError as error:
            self.trouble = f"{self._file.path}: {error.strerror or error}"
