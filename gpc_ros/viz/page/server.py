"""The web server: viser's, on this machine alone unless told otherwise, without a way out to the internet."""

from __future__ import annotations

import contextlib
import io
import re
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

from gpc_ros.errors import GpcError
from gpc_ros.viz.page.extra import infra, viser

_LAST_PORT = 65_535
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1|\[::1\]")
_OWN_PAGES = re.compile(rf"https?://({_LOOPBACK.pattern})(:\d+)?")


class Server(viser.ViserServer):
    """viser's server, quiet. A browser cannot have it open a tunnel through somebody else's host."""

    def request_share_url(self, verbose: bool = True) -> str | None:
        """Refused."""
        return None

    @property
    def address(self) -> str:
        """Where the page is."""
        host = self.get_host()
        return f"http://{f'[{host}]' if ':' in host else host}:{self.get_port()}"

    def stop(self) -> None:
        """End it, without a word on the terminal."""
        with contextlib.redirect_stdout(io.StringIO()):
            super().stop()


def serve(host: str, port: int, title: str) -> Server:
    """A server on ``port`` of ``host``, or on the next one that is free.

    On a loopback address only pages from this machine may connect: any page that is open in the same browser could
    otherwise drive the robot.

    Raises:
        GpcError: if ``host`` is none of this machine's addresses, or no port from ``port`` on is free.
    """
    free = _free_port(host, port)
    with contextlib.redirect_stdout(io.StringIO()), _checking_origins(local=is_local(host)):
        return Server(host=host, port=free, label=title, verbose=False)


def is_local(host: str) -> bool:
    """Whether ``host`` can be reached from this machine alone."""
    return _LOOPBACK.fullmatch(host) is not None


def _free_port(host: str, first: int) -> int:
    for port in range(first, _LAST_PORT + 1):
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            socket.create_server(address[:2], family=family).close()
        except OSError as error:
            if getattr(error, "errno", None) != 98:  # EADDRINUSE
                raise GpcError(f"the page cannot be at {host}:{port}: {error.strerror or error}") from None
        else:
            return port
    raise GpcError(f"the page finds no free port of {host} from {first} on")


@contextlib.contextmanager
def _checking_origins(*, local: bool) -> Iterator[None]:
    """Have servers that start meanwhile refuse the connections of foreign web pages; viser has no setting for it."""
    module: Any = infra._infra.websockets.asyncio.server  # noqa: SLF001
    serve = module.serve
    module.serve = partial(serve, origins=[_OWN_PAGES]) if local else serve
    try:
        yield
    finally:
        module.serve = serve
