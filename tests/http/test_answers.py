"""What comes of an answer: an output, a file, or a failure that says why."""

from __future__ import annotations

import gzip
import socket
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl.tasks.http.faults import retry_after
from pipectl.tasks.own import Fault

from .conftest import Ask, Site

Raw = Callable[[Callable[[socket.socket], None]], str]


def failure(ask: Ask, url: str, **given: Any) -> Fault:
    with pytest.raises(Fault) as raised:
        ask(url, **given)
    return raised.value


def talks(*texts: bytes) -> Callable[[socket.socket], None]:
    """Sends the texts and closes."""

    def talk(connection: socket.socket) -> None:
        for text in texts:
            connection.sendall(text)
        connection.close()

    return talk


class TestOutput:
    def test_output_is_status_headers_text_and_size(self, ask: Ask, site: Site) -> None:
        site.answer("/", 200, "grüße", Content_Type="text/plain; charset=utf-8", X_A="1")
        output = ask(site.url)
        assert {"status": output["status"], "text": output["text"], "bytes": output["bytes"]} == {
            "status": 200,
            "text": "grüße",
            "bytes": 7,
        }
        assert output["headers"]["x-a"] == "1"

    @pytest.mark.parametrize(
        "kind", ["application/json", "application/json; charset=utf-8", "application/problem+json"]
    )
    def test_json_is_read_by_its_type(self, ask: Ask, site: Site, kind: str) -> None:
        site.answer("/", 200, '{"a": [1, null]}', Content_Type=kind)
        output = ask(site.url)
        assert output["json"] == {"a": [1, None]}
        assert "text" not in output

    @pytest.mark.parametrize("body", ["{", "NaN", '"\\ud800"', "[" * 200 + "]" * 200, ""])
    def test_json_that_is_none_stays_text(self, ask: Ask, site: Site, body: str) -> None:
        site.answer("/", 200, body, Content_Type="application/json")
        assert ask(site.url)["text"] == body

    def test_charset_of_the_type_is_used(self, ask: Ask, site: Site) -> None:
        site.answer("/", 200, "ü".encode("latin-1"), Content_Type='text/plain; charset="ISO-8859-1"')
        assert ask(site.url)["text"] == "ü"

    @pytest.mark.parametrize(
        "charset", ["no-such", "base64", "undefined", "unicode_escape", "raw-unicode-escape", "idna", "punycode"]
    )
    def test_charset_that_is_none_is_passed_over(self, ask: Ask, site: Site, charset: str) -> None:
        site.answer("/", 200, "ü", Content_Type=f"text/plain; charset={charset}")
        assert ask(site.url)["text"] == "ü"

    @pytest.mark.parametrize(("charset", "body"), [("unicode_escape", "\\ud800"), ("utf-7", "+2AA-")])
    def test_charset_cannot_make_what_is_no_text(self, ask: Ask, site: Site, charset: str, body: str) -> None:
        site.answer("/", 200, body, Content_Type=f"text/plain; charset={charset}")
        assert ask(site.url)["text"] == body

    def test_what_is_no_text_is_counted_only(self, ask: Ask, site: Site) -> None:
        site.answer("/", 200, b"\x89PNG\xff\xfe", Content_Type="image/png")
        output = ask(site.url)
        assert output["bytes"] == 6
        assert output.keys() == {"status", "headers", "bytes"}

    def test_repeated_headers_are_joined_and_names_are_in_lower_case(self, ask: Ask, raw_server: Raw) -> None:
        url = raw_server(talks(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n"))
        assert ask(url)["headers"] == {"x-a": "1, 2", "content-length": "0"}

    @pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("DELETE", 204)])
    def test_answer_without_a_body_has_none(self, ask: Ask, raw_server: Raw, method: str, status: int) -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Length: 10\r\nContent-Encoding: gzip\r\n\r\n"
        output = ask(raw_server(talks(head.encode())), method=method, expect_status=[status])
        assert (output["bytes"], output["text"]) == (0, "")

    def test_announcements_before_the_answer_are_read_past(self, ask: Ask, raw_server: Raw) -> None:
        early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
        output = ask(raw_server(talks(b"HTTP/1.1 100 Continue\r\n\r\n" + early, early + answer)))
        assert (output["status"], output["text"], output["headers"]) == (200, "abc", {"content-length": "3"})

    def test_change_of_protocols_is_the_answer(self, ask: Ask, raw_server: Raw) -> None:
        switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
        assert failure(ask, raw_server(talks(switch))).kinds == (101, "1xx")

    def test_multipart_without_a_boundary_is_an_answer(self, ask: Ask, site: Site) -> None:
        site.answer("/", 200, "ok", Content_Type="multipart/form-data")
        assert ask(site.url)["text"] == "ok"

    def test_compressed_answer_is_unpacked(self, ask: Ask, site: Site) -> None:
        site.answer("/", 200, gzip.compress(b"a" * 900_000), Content_Encoding="gzip", Content_Type="text/plain")
        assert ask(site.url)["text"] == "a" * 900_000

    def test_chunks_are_put_together(self, ask: Ask, raw_server: Raw) -> None:
        chunks = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n"
        url = raw_server(talks(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks))
        assert ask(url)["text"] == "abcde"

    @pytest.mark.parametrize("size", [(1 << 20) + 1, 1 << 20])
    def test_answer_that_is_no_output_any_more_asks_for_save(self, ask: Ask, site: Site, size: int) -> None:
        site.answer("/", 200, b"a" * size, Content_Type="text/plain")
        assert "`save` writes it to a file" in str(failure(ask, site.url))


class TestStatus:
    @pytest.mark.parametrize(
        ("status", "expected"),
        [(200, ["2xx"]), (404, ["2xx", 404]), (404, ["4XX"]), (503, ["any"]), (302, [302]), (204, ["204"])],
    )
    def test_expected_status_is_a_success(self, ask: Ask, site: Site, status: int, expected: list[int | str]) -> None:
        site.answer("/", status)
        assert ask(site.url, expect_status=expected)["status"] == status

    def test_other_status_fails_and_says_what_the_server_said(
        self, ask: Ask, site: Site, capsys: pytest.CaptureFixture[str]
    ) -> None:
        site.answer("/a", 503, "come back \x1b[31mlater", Retry_After="7")
        fault = failure(ask, f"{site.url}/a?token=secret")
        assert str(fault) == f"HTTP 503 Service Unavailable from GET {site.url}/a"
        assert fault.kinds == (503, "5xx")
        assert fault.retry_after == 7
        assert "come back �[31mlater" in capsys.readouterr().out

    def test_body_of_a_failure_is_shown_only_at_its_beginning(
        self, ask: Ask, site: Site, capsys: pytest.CaptureFixture[str]
    ) -> None:
        site.answer("/", 500, gzip.compress(b"xxx " * 10_000_000), Content_Encoding="gzip")
        assert failure(ask, site.url).kinds == (500, "5xx")
        assert 1000 < len(capsys.readouterr().out) < 3000

    @pytest.mark.parametrize("start", [1950, 1980, 1990])
    def test_no_word_of_it_is_shown_in_part(
        self, ask: Ask, site: Site, capsys: pytest.CaptureFixture[str], start: int
    ) -> None:
        site.answer("/", 500, "-" * start + "\na-secret-of-many-characters and more" + "." * 100)
        failure(ask, site.url)
        shown = capsys.readouterr().out.split()
        assert shown[0] == "-" * start
        assert set(shown[1:]) <= {"a-secret-of-many-characters", "and", "..."}
        assert shown[-1] == "..."

    def test_body_of_one_long_word_is_not_shown(self, ask: Ask, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        site.answer("/", 500, "x" * 2001)
        failure(ask, site.url)
        assert capsys.readouterr().out == "...\n"

    def test_failure_with_a_cut_off_body_is_still_that_failure(self, ask: Ask, raw_server: Raw) -> None:
        url = raw_server(talks(b"HTTP/1.1 500 X\r\nContent-Length: 10\r\n\r\nabc"))
        assert failure(ask, url).kinds == (500, "5xx")

    @pytest.mark.parametrize(
        ("header", "seconds"), [("3", 3), ("1000000000", 1e9), ("0", 0), ("-1", 0), ("soon", 0), ("", 0), (None, 0)]
    )
    def test_retry_after_in_seconds(self, header: str | None, seconds: float) -> None:
        assert retry_after(header) == seconds

    def test_retry_after_as_a_date(self) -> None:
        later = datetime.now(UTC) + timedelta(seconds=100)
        assert 95 < retry_after(format_datetime(later, usegmt=True)) <= 100
        assert retry_after(format_datetime(later - timedelta(days=1), usegmt=True)) == 0

    @given(st.text())
    def test_retry_after_of_any_text_is_no_reason_to_fail(self, text: str) -> None:
        assert retry_after(text) >= 0


class TestFailures:
    def test_refused_connection(self, ask: Ask) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        fault = failure(ask, f"http://127.0.0.1:{port}/a")
        assert str(fault) == f"GET http://127.0.0.1:{port}/a: no connection: Connection refused"
        assert {"connection", "ConnectionRefusedError", "OSError"} <= set(fault.kinds)

    def test_host_that_is_not_there(self, ask: Ask) -> None:
        fault = failure(ask, "http://no-such-host.invalid/")
        assert "the host `no-such-host.invalid` cannot be found" in str(fault)
        assert {"connection", "gaierror"} <= set(fault.kinds)

    @pytest.mark.parametrize(
        ("answer", "sentence"),
        [
            (b"", "the server closed the connection without an answer"),
            (b"SSH-2.0-OpenSSH_9.6\r\n", "the answer is not HTTP"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "the answer was cut off"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "the answer was cut off"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "the answer was cut off"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", "the answer was cut off"),
            (
                b"HTTP/1.1 200 OK\r\nX-N\xc3\xa4me: v\r\nContent-Length: 10\r\n\r\nabc",
                "a line among the headers of the answer cannot be read",
            ),
            (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nabc", "the `Content-Length` of the answer is no number"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\nabc", "the `Content-Length` of the answer is no number"),
            (
                b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 101 + b"\r\n",
                "the answer has more than 100 headers, or one of more than 64 KiB",
            ),
            (
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
                "the answer is not compressed as it says",
            ),
        ],
    )
    @pytest.mark.parametrize("save", [None, "a"])
    def test_answer_that_is_none(
        self, ask: Ask, raw_server: Raw, tmp_path: Path, answer: bytes, sentence: str, save: str | None
    ) -> None:
        if save and "compressed" in sentence:
            return
        fault = failure(ask, raw_server(talks(answer)), save=save and str(tmp_path / save))
        assert str(fault).endswith(sentence)
        assert "connection" in fault.kinds
        assert list(tmp_path.iterdir()) == []

    def test_reset_connection(self, ask: Ask, raw_server: Raw) -> None:
        def reset(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        fault = failure(ask, raw_server(reset))
        assert "connection" in fault.kinds
