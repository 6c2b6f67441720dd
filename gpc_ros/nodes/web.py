"""Node ``web``: the page in the browser. It watches, and asks the other nodes for what is wanted of them."""

from __future__ import annotations

import time
from typing import Any

from gpc_ros.node_parameters import PARAMETERS
from gpc_ros.nodes.graph_port import GraphPort
from gpc_ros.nodes.running import run
from gpc_ros.nodes.shell import Shell
from gpc_ros.signals import NS_PER_S

_POLL_S = 1.0


class Web(Shell):
    """Serves the page. While no browser looks at it, it listens to nothing that comes often and computes nothing."""

    name = "web"

    def __init__(self, loop: Any, context: Any) -> None:
        super().__init__(loop, context)
        from gpc_ros.viz.page.server import is_local, serve  # here: viser is an extra, its absence is to be one line

        p = self.value
        self.server = serve(p.host, p.port, self.task.name)
        self.say("info", f"page at {self.server.address}")
        if not is_local(p.host):
            self.say("warn", f"page open to the network: whoever reaches {self.server.address} drives the robot")
        from gpc_ros.viz.page import page

        self.port = GraphPort(self, page.watched(PARAMETERS))
        self.page = page.Page(self.server, self.task, self.port, PARAMETERS, period_ns=p.period_ns)
        self._tick = loop.every(round(NS_PER_S / p.frame_rate_hz), self._refresh)
        self.parameters.on_change(lambda new: loop.post(lambda: self._configure(new)))
        self.node.create_timer(_POLL_S, self._poll)

    def _refresh(self, lateness_ns: int) -> None:
        if bool(self.page.browsers) != self.port.is_open:
            (self.port.close if self.port.is_open else self.port.open)()
        self.page.refresh(time.monotonic_ns())

    def _poll(self) -> None:
        if self.port.is_open:
            self.port.poll()

    def _configure(self, parameters: Any) -> None:
        self._tick.period_ns = round(NS_PER_S / parameters.frame_rate_hz)

    def close(self) -> None:
        """End the server."""
        self.server.stop()

    def figures(self) -> dict[str, object]:
        """Where the page is, and how many browsers look at it."""
        return {"page": self.server.address, "browsers": self.page.browsers}


def main() -> int:
    """Entry point."""
    return run([Web])


if __name__ == "__main__":
    raise SystemExit(main())
