"""HT-03 and HT-04: whatever a server does, a request ends in time, and holds little."""

from __future__ import annotations

import contextlib
import gzip
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipectl.tasks.http import answer, limits, network, work
from pipectl.tasks.own import Fault

from .conftest import Ask, Handler, Site

Raw = Callable[[Callable[[socket.socket], None]], str]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


def drip(start: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(600):
            connection.sendall(b"x")
            time.sleep(0.05)

    return talk


def stall(start: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        connection.sendall(start)
        connection.recv(1)

    return talk


SLOW = {
    "drips its body": drip(HEAD),
    "drips its status": drip(b""),
    "drips a header": drip(b"HTTP/1.1 200 OK\r\nX: "),
    "drips the size of a chunk": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"),
    "says nothing": stall(b""),
    "stalls in its headers": stall(HEAD[:20]),
    "stalls before its body": stall(HEAD),
    "stalls in its body": stall(HEAD + b"abc"),
}


class TestHT03:
    @pytest.mark.parametrize("save", [False, True])
    @pytest.mark.parametrize("talk", SLOW.values(), ids=SLOW.keys())
    def test_slow_server_ends_by_the_time_limit(
        self, ask: Ask, raw_server: Raw, tmp_path: Path, talk: Callable[[socket.socket], None], save: bool
    ) -> None:
        with pytest.raises(Fault, match=r"it took longer than its `timeout` of 0\.3s") as raised:
            ask(raw_server(talk), timeout=0.3, save=str(tmp_path / "a") if save else None)
        assert "timeout" in raised.value.kinds
        assert list(tmp_path.iterdir()) == []

    # Python's ssl leaves the socket of a handshake that is interrupted open; the process of an attempt ends with it.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_server_that_never_ends_its_handshake_ends_by_the_time_limit(self, ask: Ask, raw_server: Raw) -> None:
        with pytest.raises(Fault, match=r"it took longer than its `timeout` of 0\.3s"):
            ask(raw_server(SLOW["says nothing"]).replace("http", "https"), timeout=0.3)

    @pytest.mark.parametrize("name", ["says nothing", "stalls before its body", "stalls in its body"])
    def test_silence_ends_a_request_without_a_time_limit(
        self, ask: Ask, raw_server: Raw, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(work, "SILENCE", 0.2)
        monkeypatch.setattr(answer.pieces, "__kwdefaults__", {"silence": 0.2})
        with pytest.raises(
            Fault,
            match=r"the server gave no answer for 0\.2s \(a longer `timeout` lets it take longer\)"
            r"|the server was silent in the middle of its answer for 0\.2s",
        ):
            ask(raw_server(SLOW[name]), timeout=None)

    def test_patience_lets_a_server_think_for_longer_than_silence_may_last(
        self, ask: Ask, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(work, "SILENCE", 0.05)

        def think(handler: Handler) -> None:
            time.sleep(0.3)
            handler.reply(200, "42", {})

        site.answers["/"] = think
        assert ask(site.url + "/", timeout=None, patience=20)["text"] == "42"

    def test_server_that_never_accepts_ends_by_the_time_limit(self, ask: Ask) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as waiting:
            for _ in range(2):  # they fill the queue; who comes after them gets no answer
                waiting.enter_context(socket.socket()).setblocking(False)
            for _ in range(4):
                other = waiting.enter_context(socket.socket())
                other.setblocking(False)
                other.connect_ex(listener.getsockname())
            with pytest.raises(Fault, match=r"it took longer than its `timeout` of 0\.3s"):
                ask(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=0.3)

    def test_name_server_that_is_silent_ends_by_the_time_limit(self, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
        over = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: over.wait(20) and [])
        with pytest.raises(Fault, match=r"it took longer than its `timeout` of 0\.3s"):
            ask("http://example.invalid/", timeout=0.3)
        over.set()

    def test_server_that_takes_nothing_ends_by_the_time_limit(self, ask: Ask, raw_server: Raw, tmp_path: Path) -> None:
        file = tmp_path / "large"
        file.write_bytes(bytes(50_000_000))
        url = raw_server(lambda connection: time.sleep(5))
        with pytest.raises(Fault, match=r"it took longer than its `timeout` of 0\.3s"):
            ask(url, timeout=0.3, content={"file": str(file), "type": "a/b"})

    def test_alarm_is_off_when_the_request_is_over(self, ask: Ask, site: Site) -> None:
        ask(site.url, timeout=0.5)
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)

    def test_time_that_a_step_was_allowed_is_told(self) -> None:
        with limits.TimeLimit(None) as limit:
            limit.allow(0.02, "nobody came")
            with pytest.raises(limits.TimeUp, match=r"^nobody came for 20ms$"):
                signal.pause()

    def test_first_of_several_addresses_need_not_answer(
        self, ask: Ask, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            network,
            "resolve",
            lambda host, port: [(socket.AF_INET, (address, port)) for address in ("127.0.0.3", "127.0.0.1")],
        )
        assert ask(f"http://some-name:{site.port}/")["status"] == 200
        assert site.seen[0].headers["Host"] == f"some-name:{site.port}"


class TestHT04:
    def test_bomb_ends_when_it_is_too_large(self, ask: Ask, site: Site) -> None:
        site.answer("/", 200, gzip.compress(bytes(300_000_000)), Content_Encoding="gzip")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(Fault, match="`save` writes it to a file"):
            ask(site.url)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000

    def test_endless_answer_ends_when_it_is_too_large(self, ask: Ask, raw_server: Raw) -> None:
        def flood(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(bytes(1 << 16))

        with pytest.raises(Fault, match="`save` writes it to a file"):
            ask(raw_server(flood))

    def test_endless_headers_end(self, ask: Ask, raw_server: Raw) -> None:
        def flood(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                connection.sendall(b"X: " + b"a" * 60_000 + b"\r\n")

        with pytest.raises(Fault, match="the answer has more than 100 headers, or one of more than 64 KiB"):
            ask(raw_server(flood))

    def test_signal_that_ends_an_attempt_leaves_no_part_of_a_file(self, raw_server: Raw, tmp_path: Path) -> None:
        arrived = threading.Event()

        def talk(connection: socket.socket) -> None:
            connection.sendall(HEAD + b"abc")
            arrived.set()
            connection.recv(1)

        url = raw_server(talk)
        arguments = {
            "method": "GET", "url": url, "headers": {}, "content": None, "expect_status": ["2xx"], "save": "a",
            "follow_redirects": True, "verify": True, "timeout": None, "patience": None,
        }  # fmt: skip
        code = f"from pipectl.tasks.http.work import run; run(**{arguments!r})"
        process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "no_proxy": "*"})
        arrived.wait(20)
        deadline = time.monotonic() + 20
        while not list(tmp_path.glob(".a.*.part")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
        assert list(tmp_path.iterdir()) == []
