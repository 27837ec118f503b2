"""Runs on disk, with a real SQLite file."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipectl.errors import AlreadyRunning, StateError, UsageError
from pipectl.events import AttemptFinished, AttemptStarted, RunFinished, RunResumed, RunStarted
from pipectl.model import RunState, State
from pipectl.store.database import Database
from pipectl.store.definitions import Definition
from pipectl.store.rows import Log, NewRun, Run
from pipectl.store.store import Store, new_run_id


def new_run(folder: Path, name: str = "p", document: object = None) -> NewRun:
    return NewRun(
        id=new_run_id(),
        pipeline=name,
        file=str(folder / f"{name}.yaml"),
        definition=Definition({"a": document}, [(str(folder / "p.yaml"), "0")], "1"),
        params={"n": 1},
        vars={},
        options={},
        cause="manual",
        logical_time=datetime(2026, 1, 31, tzinfo=UTC),
    )


@pytest.fixture
def store(tmp_path: Path):
    opened = Store.open(tmp_path / ".pipectl")
    yield opened
    opened.close()


def make(store: Store, name: str = "p") -> Run:
    held = store.create(new_run(store.folder.parent, name), 1.0)
    held.lock.release()
    return held.run


def test_what_is_recorded_is_read_back_in_order(store: Store) -> None:
    run = make(store)
    events = [
        AttemptStarted(2.0, "a", 1),
        AttemptFinished(3.0, "a", 1, State.FAILED, exit_code=3, error="é✓", retry_at=4.0),
        AttemptStarted(4.0, "a", 2),
        AttemptFinished(5.0, "a", 2, None),
    ]
    after = store.record(run, 1, events, [("a", '{"k":1}')], [Log("a", 1, 3, None, b"abc")])
    assert after == 5
    assert store.events(run) == [RunStarted(1.0), *events]
    assert store.events(run, after=3) == events[2:]
    assert store.output(run, "a") == '{"k":1}'
    assert store.log(run, "a", 1) == Log("a", 1, 3, None, b"abc")
    assert store.log(run, "a", 2) is None


def test_the_state_of_a_run_follows_its_events(store: Store) -> None:
    run = make(store)
    store.record(run, 1, [RunFinished(9.0, RunState.FAILED)])
    assert (store.run(run.id).state, store.run(run.id).ended) == (RunState.FAILED, 9.0)
    store.record(run, 2, [RunResumed(10.0, ("a",))])
    assert (store.run(run.id).state, store.run(run.id).ended) == (RunState.RUNNING, None)


def test_what_is_opened_again_has_no_output_any_more(store: Store) -> None:
    run = make(store)
    store.record(run, 1, [AttemptStarted(2.0, "a", 1)], [("a", "1"), ("b", "2")])
    store.record(run, 2, [RunResumed(3.0, ("a",))])
    assert store.outputs(run) == {"b": "2"}


def test_a_running_run_is_interrupted_where_nobody_holds_its_lock(store: Store) -> None:
    held = store.create(new_run(store.folder.parent), 1.0)
    assert store.find(held.run.id).state is RunState.RUNNING
    held.lock.release()
    assert store.find(held.run.id).state is RunState.INTERRUPTED


def test_a_run_is_found_by_a_unique_beginning_of_its_id(store: Store) -> None:
    first, second = make(store), make(store)
    assert store.find(first.id[:8]).id == first.id
    assert store.find("latest").id == second.id
    with pytest.raises(UsageError, match="no run `nope`"):
        store.find("nope")
    for wildcard in ("", "%", "_"):
        with pytest.raises(UsageError, match="no run"):
            store.find(wildcard)


def test_a_beginning_that_several_ids_share_names_none_of_them(store: Store) -> None:
    ids = [make(store).id for _ in range(17)]  # of sixteen first characters
    shared = next(first for first in "0123456789abcdef" if sum(id_.startswith(first) for id_ in ids) > 1)
    with pytest.raises(UsageError, match="several"):
        store.find(shared)


def test_a_name_belongs_to_one_file_for_as_long_as_it_is_there(store: Store, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        (folder / "p.yaml").touch()
    store.create(new_run(here), 1.0).lock.release()
    with pytest.raises(UsageError, match=r"belongs to .*here/p\.yaml"):
        store.create(new_run(there), 2.0)
    assert len(list((store.folder / "locks").glob("run-*"))) == 1, "a lock of a run that never was"
    (here / "p.yaml").unlink()
    store.create(new_run(there), 3.0).lock.release()
    assert len(list(store.runs())) == 2


def test_two_writers_of_one_run_are_kept_apart(store: Store) -> None:
    run = make(store)
    store.record(run, 1, [AttemptStarted(2.0, "a", 1)])
    with pytest.raises(StateError, match="another process wrote"):
        store.record(run, 1, [AttemptStarted(2.0, "b", 1)])
    assert [getattr(event, "instance", None) for event in store.events(run)] == [None, "a"]


def test_a_lock_names_its_holder_and_is_free_when_that_lets_go(store: Store) -> None:
    held = store.create(new_run(store.folder.parent), 1.0)
    with pytest.raises(AlreadyRunning, match=f"process {os.getppid()}"):
        store.take(held.run)
    held.lock.release()
    store.take(held.run).lock.release()


def test_only_the_owner_can_read_the_state(store: Store) -> None:
    make(store)
    for path in (store.folder, *store.folder.rglob("*")):
        if path.name != ".gitignore":
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    assert (store.folder / ".gitignore").read_text() == "*\n"


def test_an_unchanged_file_is_found_compiled_and_a_changed_one_is_not(store: Store, tmp_path: Path) -> None:
    main, included = tmp_path / "p.yaml", tmp_path / "i.yaml"
    main.write_text("main")
    included.write_text("included")
    sources = [(str(path), hashlib.sha256(path.read_bytes()).hexdigest()) for path in (main, included)]
    run = new_run(tmp_path)
    definition = Definition({"checked": True}, sources, "1")
    store.create(
        NewRun(**{**{f: getattr(run, f) for f in NewRun.__slots__}, "definition": definition}), 1.0
    ).lock.release()
    found = store.compiled(str(main), "1")
    assert found is not None
    assert found.document == {"checked": True}
    assert store.compiled(str(main), "2") is None, "another version of pipectl may check otherwise"
    included.write_text("changed")
    assert store.compiled(str(main), "1") is None


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database" * 100)
    for opening in (Store.open, Store.open_for_reading):
        with pytest.raises(StateError, match="not a database of pipectl"):
            opening(tmp_path)
    assert (tmp_path / "state.db").read_bytes() == b"no database" * 100


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "state.db")
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    before = (tmp_path / "state.db").read_bytes()
    with pytest.raises(StateError, match="not one of pipectl"):
        Store.open(tmp_path)
    assert (tmp_path / "state.db").read_bytes() == before


def test_a_newer_state_is_refused_and_left_alone(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "state.db")
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    before = (tmp_path / "state.db").read_bytes()
    for opening in (Store.open, Store.open_for_reading):
        with pytest.raises(StateError, match="newer pipectl"):
            opening(tmp_path)
    assert (tmp_path / "state.db").read_bytes() == before


def test_a_linked_state_is_not_followed(tmp_path: Path) -> None:
    Store.open(tmp_path / "real").close()
    (tmp_path / "trap").mkdir()
    (tmp_path / "trap" / "state.db").symlink_to(tmp_path / "real" / "state.db")
    with pytest.raises(StateError, match="symbolic link"):
        Store.open(tmp_path / "trap")


def test_a_folder_that_cannot_be_made_is_explained() -> None:
    with pytest.raises(StateError, match="cannot be used"):
        Store.open(Path("/proc/nope"))


def test_a_network_file_system_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("pipectl.store.folder.file_system", lambda folder: "nfs4")
    with pytest.raises(StateError, match="nfs4"):
        Store.open(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_reading_leaves_a_crashed_state_as_it_is(tmp_path: Path) -> None:
    crash = (
        "import os, sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path;"
        "from tests.store.test_store import new_run, Store; s = Store.open(Path(sys.argv[1]) / 's');"
        "s.create(new_run(Path(sys.argv[1])), 1.0); os._exit(9)"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", crash, tmp_path, root], check=False)
    files = [tmp_path / "s" / name for name in ("state.db", "state.db-wal")]
    before = [file.read_bytes() for file in files]
    reader = Store.open_for_reading(tmp_path / "s")
    assert [run.state for run in reader.runs()] == [RunState.INTERRUPTED]
    reader.close()
    assert [file.read_bytes() for file in files] == before


def test_a_full_disk_is_a_state_error_and_nothing_of_the_transaction_is_kept(store: Store) -> None:
    run = make(store)
    pages = store._database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(StateError, match="no space left"):
        store.record(run, 1, [AttemptStarted(2.0, "a", 1)], [("a", json.dumps("x" * 500_000))])
    assert store.events(run) == [RunStarted(1.0)]


def test_the_log_of_the_database_stays_small_over_many_commits(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.set_durability("normal")
    run = make(store)
    after = 1
    for _ in range(300):
        after = store.record(run, after, [AttemptStarted(2.0, "a", 1)], [("a", json.dumps("x" * 100_000))])
    assert (tmp_path / "state.db-wal").stat().st_size < 32 << 20
    store.close()


FIRST = """
import sys; sys.path.insert(0, sys.argv[2])
from pathlib import Path
from tests.store.test_store import new_run, Store
store = Store.open(Path(sys.argv[1]) / "s")
store.create(new_run(Path(sys.argv[1])), 1.0)
store.close()
"""


def test_many_processes_may_make_the_state_at_once(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").touch()
    root = str(Path(__file__).parents[2])
    started = [subprocess.Popen([sys.executable, "-c", FIRST, str(tmp_path), root]) for _ in range(16)]
    assert [process.wait(60) for process in started] == [0] * 16
    database = Database.open_for_reading(tmp_path / "s")
    assert database.execute("SELECT count(*) FROM runs").fetchone() == (16,)
    database.close()
