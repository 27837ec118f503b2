"""Files that an answer is written to, and files that are sent."""

from __future__ import annotations

import gzip
import io
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipectl.tasks.http.request import Content

from .conftest import Ask, Site
from .test_answers import failure, talks

Raw = Callable[[Callable[[socket.socket], None]], str]


class TestSave:
    def test_answer_is_streamed_to_a_file_as_it_was_sent(self, ask: Ask, site: Site, tmp_path: Path) -> None:
        packed = gzip.compress(b"a" * 3_000_000)
        site.answer("/", 200, packed, Content_Encoding="gzip", Content_Type="text/csv")
        path = str(tmp_path / "new" / "folder" / "a.gz")
        output = ask(site.url, save=path)
        assert Path(path).read_bytes() == packed
        assert output.keys() == {"status", "headers", "path", "bytes"}
        assert (output["path"], output["bytes"]) == (path, len(packed))
        assert site.seen[0].headers["Accept-Encoding"] == "identity"

    @pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
    def test_answer_without_a_body_leaves_the_file_as_it_was(
        self, ask: Ask, raw_server: Raw, tmp_path: Path, method: str, status: int
    ) -> None:
        file = tmp_path / "a"
        file.write_text("before")
        url = raw_server(talks(f"HTTP/1.1 {status} X\r\nETag: v1\r\n\r\n".encode()))
        output = ask(url, method=method, expect_status=[status], save=str(file))
        assert output == {"status": status, "headers": {"etag": "v1"}, "bytes": 0}
        assert file.read_text() == "before"
        assert list(tmp_path.iterdir()) == [file]

    def test_answer_that_only_happens_to_be_empty_is_saved(self, ask: Ask, site: Site, tmp_path: Path) -> None:
        site.answer("/", 200)
        assert ask(site.url, save=str(tmp_path / "a"))["bytes"] == 0
        assert (tmp_path / "a").read_bytes() == b""

    def test_name_that_no_file_can_have_is_a_failure_of_the_file(self, ask: Ask, site: Site, tmp_path: Path) -> None:
        fault = failure(ask, site.url, save=str(tmp_path / ("n" * 300)))
        assert str(fault).endswith("cannot be written: File name too long")
        assert fault.kinds == ("OSError",)

    def test_folder_that_cannot_be_made_is_a_failure_of_the_file(self, ask: Ask, site: Site, tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("a file")
        fault = failure(ask, site.url, save=str(tmp_path / "taken" / "a" / "b"))
        assert str(fault).endswith("cannot be written: Not a directory")

    def test_failure_leaves_the_file_as_it_was(self, ask: Ask, raw_server: Raw, tmp_path: Path) -> None:
        file = tmp_path / "a"
        file.write_text("before")
        failure(ask, raw_server(talks(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")), save=str(file))
        assert file.read_text() == "before"
        assert list(tmp_path.iterdir()) == [file]

    def test_status_that_was_not_expected_leaves_no_file(self, ask: Ask, site: Site, tmp_path: Path) -> None:
        site.answer("/", 404, "not here")
        failure(ask, site.url, save=str(tmp_path / "a"))
        assert list(tmp_path.iterdir()) == []

    def test_what_a_killed_attempt_left_is_overwritten(
        self, ask: Ask, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIPECTL_IDEMPOTENCY_KEY", "k")
        (tmp_path / ".a.k.part").write_text("half of it, and more than the answer")
        ask(site.url, save=str(tmp_path / "a"))
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
        assert (tmp_path / "a").read_text() == "ok"

    def test_link_stays_a_link(self, ask: Ask, site: Site, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("there")
        ask(site.url, save=str(tmp_path / "link"))
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there").read_text() == "ok"

    @pytest.mark.parametrize("path", ["/dev/null", "/proc/no/such", "."])
    def test_place_that_cannot_be_written_is_named(self, ask: Ask, site: Site, path: str) -> None:
        assert f"`save`: `{path}`" in str(failure(ask, site.url, save=path))

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
    def test_full_disk_is_a_failure_of_the_file_not_of_the_server(
        self, ask: Ask, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIPECTL_IDEMPOTENCY_KEY", "k")
        (tmp_path / ".a.k.part").symlink_to("/dev/full")
        fault = failure(ask, site.url, save=str(tmp_path / "a"))
        assert str(fault).endswith("cannot be written: No space left on device")
        assert fault.kinds == ("OSError",)


class TestSending:
    def test_file_is_sent_with_its_length(self, ask: Ask, site: Site, tmp_path: Path) -> None:
        file = tmp_path / "a.bin"
        file.write_bytes(bytes(range(256)) * 2000)
        ask(site.url, method="PUT", content={"file": str(file), "type": "application/octet-stream"})
        assert site.seen[0].body == file.read_bytes()
        assert site.seen[0].headers["Content-Length"] == "512000"
        assert site.seen[0].headers["Content-Type"] == "application/octet-stream"

    def test_file_that_is_not_there_is_named(self, ask: Ask, site: Site) -> None:
        fault = failure(ask, site.url, method="PUT", content={"file": "/no/such", "type": "a/b"})
        assert str(fault) == "`body_file`: there is no file `/no/such`"

    def test_name_that_no_file_can_have_is_no_failure_of_the_connection(self, ask: Ask, site: Site) -> None:
        fault = failure(ask, site.url, method="PUT", content={"file": f"/{'n' * 300}", "type": "a/b"})
        assert str(fault).endswith("cannot be read: File name too long")
        assert fault.kinds == ("OSError",)

    def test_file_that_cannot_be_read_further_is_no_failure_of_the_connection(
        self, ask: Ask, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Broken(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                raise OSError(5, "Input/output error")

        @contextmanager
        def opened(self: Content) -> Iterator[tuple[io.BytesIO, int]]:
            yield Broken(), 10

        monkeypatch.setattr(Content, "open", opened)
        fault = failure(ask, site.url, content={"file": "a", "type": "a/b"})
        assert (str(fault), fault.kinds) == ("`body_file` cannot be read: Input/output error", ("OSError",))

    def test_content_without_a_type_is_sent_without_one(self, ask: Ask, site: Site) -> None:
        ask(site.url, content={"text": "{}", "type": None})
        assert site.seen[0].body == b"{}"
        assert "Content-Type" not in site.seen[0].headers

    def test_text_is_sent_in_utf_8(self, ask: Ask, site: Site) -> None:
        ask(site.url, content={"text": json.dumps("ü", ensure_ascii=False), "type": "application/json"})
        assert site.seen[0].body == '"ü"'.encode()

    def test_answer_before_the_body_was_read_counts(self, ask: Ask, raw_server: Raw, tmp_path: Path) -> None:
        file = tmp_path / "large"
        file.write_bytes(b"a" * 20_000_000)

        def refuse(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 413 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 20):
                pass
            connection.close()

        fault = failure(ask, raw_server(refuse), method="PUT", content={"file": str(file), "type": "a/b"})
        assert fault.kinds == (413, "4xx")
