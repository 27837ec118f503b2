"""Servers on loopback, and a way to make one request without a runner."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipectl.tasks.http.work import run


@dataclass(frozen=True)
class Seen:
    """A request as it came; `path` is as it stood on the wire."""

    method: str
    path: str
    headers: Message
    body: bytes


@dataclass
class Site:
    """A web server. `answers` holds what is sent for a path; every other path gets 200 and `ok`."""

    answers: dict[str, Callable[[Handler], None]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    url: str = ""
    server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        assert self.server is not None
        return self.server.server_port

    def answer(self, path: str, status: int = 200, body: bytes | str = b"", **headers: str) -> None:
        """Answers a path always so. A header's name has `_` for `-`."""
        self.answers[path] = lambda handler: handler.reply(status, body, headers)

    def redirect(self, path: str, to: str, status: int = 302) -> None:
        self.answer(path, status, Location=to)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def reply(self, status: int, body: bytes | str, headers: dict[str, str]) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.site.seen.append(Seen(self.command, self.path, self.headers, body))
        answer = self.site.answers.get(self.path.partition("?")[0])
        if answer is None:
            self.reply(200, "ok", {"Content-Type": "text/plain"})
        else:
            answer(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is what some tests are about."""


@pytest.fixture
def new_site() -> Iterator[Callable[..., Site]]:
    """Makes servers, each an origin of its own; `tls` is the context of an https one."""
    made: list[ThreadingHTTPServer] = []

    def make(tls: Any = None) -> Site:
        site = Site()
        server = _Quiet(("127.0.0.1", 0), type("SiteHandler", (Handler,), {"site": site}))
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        site.server, site.url = server, f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        made.append(server)
        return site

    yield make
    for server in made:
        server.shutdown()
        server.server_close()


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    return new_site()


@pytest.fixture
def raw_server() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Makes a server that gives the first connection, its request read, to a function; gives its URL."""
    listeners: list[socket.socket] = []
    connections: list[socket.socket] = []

    def make(talk: Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            try:
                connection, _ = listener.accept()
                connections.append(connection)
                connection.recv(65536)
                talk(connection)
            except OSError:
                pass

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield make
    for one in listeners + connections:
        one.close()


Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Makes a request as the worker does; gives its output."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def make(url: str, **given: Any) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "method": "POST" if given.get("content") else "GET",
            "headers": {},
            "content": None,
            "expect_status": ["2xx"],
            "save": None,
            "follow_redirects": True,
            "verify": True,
            "timeout": 20.0,
            "patience": None,
        }
        return run(url=url, **{**arguments, **given})

    return make
