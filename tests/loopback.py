"""A web server on loopback for tests: it answers by path, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Asked:
    """A request: `path` as it was sent, `query` decoded, `body` read."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What the server says. A `body` that is neither text nor bytes goes as JSON."""

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Route = Callable[[Asked], Answer]


@dataclass
class Server:
    """A running server: its URL, and all that was asked of it, in order."""

    url: str
    asked: list[Asked]

    def paths(self) -> list[str]:
        return [one.path for one in self.asked]


@contextmanager
def serve(routes: dict[str, Route]) -> Iterator[Server]:
    """A server of these paths on a free port; 404 for others. It is gone after the block."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(Asked(self.command, url.path, parse_qs(url.query), dict(self.headers), body))
            answer = routes.get(url.path, lambda _: Answer("nothing here", 404))(asked[-1])
            is_text = isinstance(answer.body, (str, bytes))
            data = answer.body if is_text else json.dumps(answer.body)
            data = data.encode() if isinstance(data, str) else data
            kind = "text/plain; charset=utf-8" if is_text else "application/json"
            self.send_response(answer.status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Server(f"http://127.0.0.1:{server.server_port}", asked)
        finally:
            server.shutdown()
            thread.join()
