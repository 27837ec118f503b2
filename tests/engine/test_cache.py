"""What was done before, with real files and a real state."""

from __future__ import annotations

import errno
import json
import os
import select
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipectl.engine.cache import Answer
from pipectl.engine.cache_key import Request
from pipectl.engine.caches import Caches
from pipectl.engine.clock import booted
from pipectl.errors import StateError
from pipectl.masking import Masker
from pipectl.store.cache import CacheRow
from pipectl.store.rows import Run
from pipectl.store.store import Store
from tests.store.test_store import new_run


class Lab:
    """A pipeline's folder with a state, and successes recorded in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = Store.open(root / ".pipectl")
        held = self.store.create(new_run(root), 1.0)
        held.lock.release()
        self.run: Run = held.run
        self.now = 1000.0
        self.opened: list[Caches] = []
        self.write("in.txt", "in")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def request(self, **more: Any) -> Request:
        plain: dict[str, Any] = {"inputs": ("in.txt",), "outputs": ("out.txt",)} | more
        return Request("shell", {"script": "make"}, str(self.root), str(self.root), **plain)

    def open(self, **more: Any) -> Caches:
        self.opened.append(Caches(self.store, "p", masker=Masker([]), now=lambda: self.now, **more))
        return self.opened[-1]

    def look(self, request: Request, instance: str = "a") -> Answer:
        return self.open().look_now(instance, request)

    def ask(self, caches: Caches) -> Answer:
        (answer,) = wait(caches)
        return answer

    def begin(self, request: Request, caches: Caches | None = None, instance: str = "a") -> Caches:
        caches = caches or self.open()
        caches.look(instance, request)
        assert not self.ask(caches).hit
        return caches

    def end(self, caches: Caches, output: str | None = '{"n":1}', instance: str = "a") -> Answer:
        caches.keep(instance, output)
        answer = self.ask(caches)
        self.store.record(self.run, 1, [], cache=[answer.row] if answer.row else [])
        return answer

    def succeed(self, request: Request, **files: str) -> Answer:
        """The task runs and leaves the files."""
        caches = self.begin(request)
        for name, text in files.items():
            self.write(f"{name}.txt", text)
        return self.end(caches)

    def close(self) -> None:
        for caches in self.opened:
            caches.close()
        self.store.close()


def wait(caches: Caches, count: int = 1) -> list[Answer]:
    answers: list[Answer] = []
    while len(answers) < count:
        assert select.select([caches], [], [], 30)[0], "waited in vain"
        answers += caches.done()
    return answers


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.close()


def test_what_was_done_is_not_done_again_and_gives_what_it_gave(lab: Lab) -> None:
    assert lab.look(lab.request()).why == ("it never succeeded with a cache",)
    lab.succeed(lab.request(), out="out")
    found = lab.look(lab.request())
    assert (found.hit, found.output) == (True, '{"n":1}')
    assert not lab.look(lab.request(), "b").hit


def test_a_touched_input_is_no_change_and_a_changed_one_is(lab: Lab) -> None:
    lab.succeed(lab.request(), out="out")
    os.utime(lab.root / "in.txt", (1, 1))
    assert lab.look(lab.request()).hit
    lab.write("in.txt", "IN")
    os.utime(lab.root / "in.txt", (1, 1))
    assert lab.look(lab.request()).why == ("input `in.txt` changed",)


@pytest.mark.parametrize(("name", "text"), [("d/new.txt", "x"), ("d/.new", "x"), ("d/e/f/new", "")])
def test_whatever_is_new_in_a_folder_that_is_an_input_is_a_change(lab: Lab, name: str, text: str) -> None:
    request = lab.request(inputs=("d",))
    lab.write("d/a.txt", "a")
    lab.succeed(request, out="out")
    assert lab.look(request).hit
    lab.write(name, text)
    assert lab.look(request).why == (f"input `{name}` is new",)


def test_an_input_that_is_missing_is_a_part_of_the_key(lab: Lab) -> None:
    request = lab.request(inputs=("in.txt", "maybe.txt"))
    lab.succeed(request, out="out")
    assert lab.look(request).hit
    lab.write("maybe.txt", "now")
    assert lab.look(request).why == ("input `maybe.txt` is new",)
    lab.succeed(request, out="out")
    (lab.root / "maybe.txt").unlink()
    assert lab.look(request).hit, "what it gave without the file is still known"


@pytest.mark.parametrize(("text", "why"), [("other", "changed"), (None, "is missing")])
def test_an_output_that_is_not_what_the_task_left_is_made_again(lab: Lab, text: str | None, why: str) -> None:
    lab.succeed(lab.request(), out="out")
    (lab.root / "out.txt").unlink()
    if text is not None:
        lab.write("out.txt", text)
    assert lab.look(lab.request()).why == (f"output `out.txt` {why}",)
    lab.write("out.txt", "out")
    assert lab.look(lab.request()).hit, "its contents count, however they came there"


def test_what_is_new_among_outputs_is_not_what_the_task_left(lab: Lab) -> None:
    request = lab.request(outputs=("o/*.txt",))
    caches = lab.begin(request)
    lab.write("o/a.txt", "a")
    lab.end(caches)
    assert lab.look(request).hit
    lab.write("o/half.txt", "left by an attempt that failed")
    assert lab.look(request).why == ("output `o/half.txt` is new",)


def test_what_a_failed_attempt_leaves_is_not_taken(lab: Lab) -> None:
    lab.succeed(lab.request(), out="good")
    lab.write("in.txt", "changed")
    lab.begin(lab.request())
    lab.write("out.txt", "ha")  # and the attempt fails
    assert not lab.look(lab.request()).hit
    lab.write("in.txt", "in")
    assert lab.look(lab.request()).why == ("output `out.txt` changed",)


def test_a_declared_output_that_is_not_there_fails_the_attempt(lab: Lab) -> None:
    answer = lab.succeed(lab.request(outputs=("out.txt", "o/none*", "o/dir/")), out="out")
    assert answer.error == "it did not leave `o/dir/`, which `cache.outputs` declares"
    assert answer.row is None
    assert not lab.look(lab.request()).hit


def test_the_next_attempt_must_leave_what_is_declared_too(lab: Lab) -> None:
    caches = lab.begin(lab.request())
    assert (
        lab.end(caches).error == lab.end(caches).error == "it did not leave `out.txt`, which `cache.outputs` declares"
    )
    lab.write("out.txt", "out")
    assert lab.end(caches).row is not None


def test_an_output_may_be_a_folder_even_an_empty_one(lab: Lab) -> None:
    request = lab.request(outputs=("o",))
    caches = lab.begin(request)
    (lab.root / "o").mkdir()
    assert lab.end(caches).error is None
    assert lab.look(request).hit
    (lab.root / "o").rmdir()
    assert lab.look(request).why == ("output `o` is missing", "output `o/` is missing")


def test_an_input_that_changes_while_the_task_runs_is_not_taken_for_what_it_read(lab: Lab) -> None:
    caches = lab.begin(lab.request())
    lab.write("out.txt", "of the old input")
    lab.write("in.txt", "new")
    answer = lab.end(caches)
    assert answer.why == ("what it depends on changed while it ran", "input `in.txt` changed")
    assert answer.error is None
    assert not lab.look(lab.request()).hit


def test_what_is_an_output_is_no_input_though_it_match(lab: Lab) -> None:
    request = lab.request(inputs=(".",), outputs=("o/made.txt", f"../{lab.root.name}/out.txt"))
    caches = lab.begin(request)
    lab.write("o/made.txt", "made")
    lab.write("out.txt", "made")
    assert lab.end(caches).row is not None
    assert lab.look(request).hit
    lab.write("o/other.txt", "not made by the task")
    assert lab.look(request).why == ("input `o/other.txt` is new",)


def test_a_success_is_worth_only_so_long(lab: Lab) -> None:
    lab.succeed(lab.request(), out="out")
    lab.now += 3600
    assert lab.look(lab.request(ttl=3601.0)).hit
    assert lab.look(lab.request(ttl=3600.0)).why == ("it is older than its `ttl` of 1h 00m",)


def test_with_force_nothing_is_a_hit_and_all_is_kept(lab: Lab) -> None:
    lab.succeed(lab.request(), out="out")
    caches = lab.open(force=True)
    caches.look("a", lab.request())
    assert lab.ask(caches).why == ("no cache is wanted (`--force`)",)
    assert lab.end(caches, "2").row is not None
    assert lab.look(lab.request()).output == "2"


def test_parameters_may_go_to_and_fro(lab: Lab) -> None:
    one, other = (lab.request(outputs=(), params={"day": day}) for day in (1, 2))
    lab.succeed(one)
    lab.succeed(other)
    assert lab.look(one).hit
    assert lab.look(other).hit
    assert lab.look(replace(one, params={"day": 3})).why == ("parameter `day` changed: `2` → `3`",)


def test_the_code_that_a_python_task_names_is_an_input(lab: Lab) -> None:
    request = lab.request(outputs=())
    lab.write("etl/flights.py", "one")
    lab.write("etl/package/__init__.py", "one")
    lab.write("script.py", "one")
    bodies: list[tuple[dict[str, str], str]] = [
        ({"call": "etl.flights:clean"}, "etl/flights.py"),
        ({"call": "etl.package:clean"}, "etl/package/__init__.py"),
        ({"script": "script.py"}, "script.py"),
    ]
    for body, path in bodies:
        task = replace(request, type="python", body=body)
        lab.succeed(task)
        assert lab.look(task).hit
        lab.write(path, "two")
        assert lab.look(task).why == (f"the code in `{path}` changed",)
    elsewhere = replace(request, type="python", body={"call": "json:dumps"})
    lab.succeed(elsewhere)
    assert lab.look(elsewhere).hit


def test_secrets_are_not_kept(lab: Lab) -> None:
    masker = Masker(["correcthorse"])
    caches = Caches(lab.store, "p", masker=masker)
    lab.opened.append(caches)
    request = lab.request(env={"T": "correcthorse"}, rendered=["correcthorse"], outputs=())
    row = lab.end(lab.begin(request, caches)).row
    assert row is not None
    assert b"correcthorse" not in unpacked(row)
    assert caches.look_now("a", replace(request, env={"T": "correcthorse"})).hit


def unpacked(row: CacheRow) -> bytes:
    import zlib

    return zlib.decompress(row.parts) + zlib.decompress(row.files)


def test_an_input_that_may_not_be_read_means_no_cache_and_no_failure(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refuse(path: str, *rest: int) -> int:
        if str(path).endswith("in.txt"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))  # root may read everything
        return opened(path, *rest)

    monkeypatch.setattr(os, "open", refuse)
    assert lab.look(lab.request()).why == ("`in.txt` cannot be read: permission denied",)
    assert lab.succeed(lab.request(), out="out").row is None


def test_folders_without_end_mean_no_cache_and_no_failure(lab: Lab) -> None:
    (lab.root / "/".join(["d"] * 700)).mkdir(parents=True)
    request = lab.request(inputs=("**/x",))
    assert lab.look(request).why == ("`**/x` leads through too many folders within each other",)
    assert lab.succeed(request, out="out").row is None
    missing = lab.begin(lab.request(inputs=("**/x",), outputs=("none.txt",)))
    assert lab.end(missing).error is not None


def test_names_that_are_no_text_are_known_again(lab: Lab) -> None:
    name = os.fsdecode(b"caf\xe9\n")
    lab.write(name, "x")
    request = lab.request(inputs=(name,), outputs=())
    lab.succeed(request)
    assert lab.look(request).hit
    lab.write(name, "y")
    (why,) = lab.look(request).why
    assert why.encode() == b"input `caf\\udce9\\n` changed"


def test_a_file_that_changed_just_before_it_was_read_is_read_again_next_time(lab: Lab) -> None:
    """A second change within one tick of the file system's clock would show in nothing but its contents."""
    lab.look(lab.request())
    lab.close()
    lab.opened.clear()
    lab.store = Store.open(lab.root / ".pipectl")
    assert rows(lab.root) == []


def rows(root: Path) -> list[tuple[str]]:
    import sqlite3
    from contextlib import closing

    if not (root / ".pipectl/hashes.db").exists():
        return []
    with closing(sqlite3.connect(root / ".pipectl/hashes.db")) as connection:
        return connection.execute("SELECT name FROM hashes").fetchall()


def test_an_unchanged_file_is_not_read_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipectl.engine.file_digests._SETTLED", 0)
    for number in range(100):  # of many files of one folder all is asked at once
        lab.write(f"d/{number}", str(number))
    request = lab.request(inputs=("in.txt", "d"), outputs=())
    lab.succeed(request)
    while lab.opened:
        lab.opened.pop().close()
    assert len(rows(lab.root)) == 101
    monkeypatch.setattr("pipectl.engine.file_digests.FileDigests._digest", no_reading)
    assert lab.look(request).hit


def no_reading(*_: object) -> str:
    raise AssertionError("a file was read")


def test_the_state_is_no_input_and_what_reads_it_writes_nothing(lab: Lab) -> None:
    request = lab.request(inputs=(".",), outputs=())
    lab.succeed(request)
    while lab.opened:
        lab.opened.pop().close()
    (lab.root / ".pipectl/hashes.db").unlink(missing_ok=True)
    reader = Store.open_for_reading(lab.root / ".pipectl")
    caches = Caches(reader, "p", masker=Masker([]))
    assert caches.look_now("a", request).hit
    caches.close()
    reader.close()
    assert not (lab.root / ".pipectl/hashes.db").exists()


def test_without_a_state_nothing_was_done(lab: Lab) -> None:
    caches = Caches(None, "p", masker=Masker([]))
    assert caches.look_now("a", lab.request()).why == ("it never succeeded with a cache",)
    caches.close()


def test_outputs_that_a_power_cut_took_are_lost(lab: Lab) -> None:
    lab.succeed(lab.request(), out="out")
    assert lab.open().lost(lab.run) == []
    status = (lab.root / "out.txt").stat()
    lab.write("out.txt", "\0\0\0")
    os.utime(lab.root / "out.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert lab.open().lost(lab.run) == ["a"]


def test_a_machine_that_runs_was_started_before_now() -> None:
    assert 0 < booted() < time.time()


def test_answers_come_in_the_order_of_the_questions_and_wake_the_loop(lab: Lab) -> None:
    caches = lab.open()
    assert caches.done() == []
    for number in range(50):
        caches.look(f"t[{number}]", lab.request(item=number))
    assert [answer.instance for answer in wait(caches, 50)] == [f"t[{number}]" for number in range(50)]
    assert select.select([caches], [], [], 0)[0] == []


def test_a_state_that_cannot_be_read_stops_the_loop(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise StateError("the state is damaged")

    monkeypatch.setattr(Store, "cached", broken)
    caches = lab.open()
    caches.look("a", lab.request())
    with pytest.raises(StateError, match="damaged"):
        wait(caches)


def test_a_close_ends_what_is_still_being_read(lab: Lab) -> None:
    with (lab.root / "in.txt").open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of nothing
    caches = lab.open()
    caches.look("a", lab.request())
    caches.close()
    lab.opened.remove(caches)
    assert not caches._looks._thread.is_alive()


def test_what_an_attempt_left_does_not_wait_for_what_another_looks_for(lab: Lab) -> None:
    with (lab.root / "huge").open("wb") as file:
        file.truncate(1 << 40)  # whose reading outlives the test
    (lab.root / "out.txt").write_text("done")
    caches = lab.open()
    caches.look("a", lab.request())
    assert [answer.instance for answer in wait(caches)] == ["a"]
    caches.look("b", lab.request(inputs=("huge",)))
    caches.keep("a", None)
    assert [(answer.instance, answer.kind) for answer in wait(caches)] == [("a", "keep")]


def test_outputs_that_cannot_be_brought_to_disk_fail_the_attempt(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    answer = lab.succeed(lab.request(), out="out")
    assert answer.error == f"`{lab.root}/out.txt` cannot be brought to disk: No space left on device"
    assert answer.row is None


@pytest.mark.parametrize("durable", [True, False])
def test_outputs_and_the_folders_that_name_them_are_on_disk_before_the_end_is_recorded(
    lab: Lab, durable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        "os.fsync", lambda descriptor: synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )
    caches = lab.begin(lab.request(outputs=("a/b/out.txt",)), lab.open(durable=durable))
    lab.write("a/b/out.txt", "out")
    caches.keep("a", json.dumps(1))
    lab.ask(caches)
    paths = [str(lab.root / name) for name in ("", "a", "a/b", "a/b/out.txt")] if durable else []
    assert sorted(synced) == [path.rstrip("/") for path in paths]
