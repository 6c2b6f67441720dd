"""The web server: its port, whom it lets in, that it stays at home."""

from __future__ import annotations

import importlib
import socket
import sys
import urllib.request
from collections.abc import Iterator

import pytest

pytest.importorskip("viser", reason="needs viser")
import websockets.exceptions
from browsers import Browser
from viser import _messages as messages

from gpc_ros.errors import GpcError
from gpc_ros.viz.page import extra, server
from gpc_ros.viz.page.server import Server, is_local, serve


@pytest.fixture
def page() -> Iterator[Server]:
    found = serve("127.0.0.1", 18_400, "a robot")
    yield found
    found.stop()


def test_it_serves_the_page(page: Server) -> None:
    with urllib.request.urlopen(page.address) as response:
        assert b'<div id="root">' in response.read()


def test_where_its_port_is_taken_it_takes_the_next(page: Server) -> None:
    first = page.get_port()
    second = serve("127.0.0.1", first, "another robot")
    try:
        assert first < second.get_port() < first + 100
        assert second.address == f"http://127.0.0.1:{second.get_port()}"
    finally:
        second.stop()


def test_it_ends_for_good(page: Server) -> None:
    page.stop()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(page.address)


def test_without_a_free_port_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(server, "_LAST_PORT", port)
        with pytest.raises(GpcError, match=f"no free port of 127.0.0.1 from {port} on"):
            serve("127.0.0.1", port, "")


@pytest.mark.parametrize("host", ["192.0.2.7", "no such host"])
def test_an_address_that_is_not_ours_is_refused_in_one_line(host: str) -> None:
    with pytest.raises(GpcError, match=f"^the page cannot be at {host}:18400: [^\n]+$"):
        serve(host, 18_400, "")


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1.evil.example", "null", "http://10.0.0.1"])
def test_other_peoples_pages_are_not_let_in(page: Server, origin: str) -> None:
    """Any page that is open in the same browser could otherwise drive the robot."""
    with pytest.raises(websockets.exceptions.InvalidStatus, match="403"):
        Browser(page.address, origin=origin)


@pytest.mark.parametrize("origin", ["http://127.0.0.1:{port}", "http://localhost:{port}", "http://localhost:9999"])
def test_pages_of_this_machine_are(page: Server, origin: str) -> None:
    Browser(page.address, origin=origin.format(port=page.get_port())).close()


def test_others_start_their_servers_as_before(page: Server) -> None:
    module = server.infra._infra.websockets.asyncio.server
    assert isinstance(module.serve, type)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("", False)],
)
def test_what_is_local(host: str, local: bool) -> None:
    assert is_local(host) is local


def test_no_browser_can_have_it_open_a_way_out(page: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """viser offers a tunnel through somebody else's server; a message would be enough."""
    asked: list[bool] = []
    refuse = Server.request_share_url
    monkeypatch.setattr(Server, "request_share_url", lambda self: asked.append(refuse(self) is None))
    monkeypatch.setattr("viser._viser.ViserTunnel", lambda *_: pytest.fail("a tunnel"))
    browser = Browser(page.address)
    browser.send(messages.ShareUrlRequest())
    browser.until(lambda: asked, "the request")
    assert asked == [True]
    browser.close()


def test_it_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    found = serve("127.0.0.1", 18_400, "a robot")
    browser = Browser(found.address)
    browser.until(found.get_clients, "the browser")
    browser.close()
    found.stop()
    assert capfd.readouterr() == ("", "")


def test_without_viser_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "viser", None)
        with pytest.raises(GpcError, match=r"^the page needs viser: python3 -m pip install 'gpc_ros\[watch\]'$"):
            importlib.reload(extra)
    importlib.reload(extra)
