"""States that older versions made are brought up to the newest, whole or not at all."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pipectl.errors import StateError
from pipectl.events import RunStarted
from pipectl.store.cache import CacheRow
from pipectl.store.migrations import VERSION
from pipectl.store.store import Store

SCHEMA_1 = """
CREATE TABLE pipelines (
    name TEXT PRIMARY KEY,
    file TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE definitions (
    key      TEXT PRIMARY KEY,
    main     TEXT NOT NULL,
    sources  TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX definitions_by_main ON definitions (main);
CREATE TABLE runs (
    number       INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    pipeline     TEXT NOT NULL REFERENCES pipelines (name),
    definition   TEXT NOT NULL REFERENCES definitions (key),
    params       TEXT NOT NULL,
    vars         TEXT NOT NULL,
    options      TEXT NOT NULL,
    cause        TEXT NOT NULL,
    logical_time TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('running', 'success', 'failed', 'cancelled')),
    started      REAL NOT NULL,
    ended        REAL,
    taken        REAL NOT NULL,
    seconds      REAL NOT NULL
);
CREATE INDEX runs_by_pipeline ON runs (pipeline, number);
CREATE TABLE events (
    run      INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    seq      INTEGER NOT NULL,
    at       REAL NOT NULL,
    kind     TEXT NOT NULL,
    instance TEXT,
    data     TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE TABLE outputs (
    run      INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    instance TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (run, instance)
);
CREATE TABLE logs (
    run      INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    instance TEXT NOT NULL,
    attempt  INTEGER NOT NULL,
    size     INTEGER NOT NULL,
    file     TEXT,
    text     BLOB NOT NULL,
    PRIMARY KEY (run, instance, attempt)
);
CREATE TABLE requests (
    number INTEGER PRIMARY KEY,
    run    INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    at     REAL NOT NULL,
    kind   TEXT NOT NULL
);
CREATE INDEX requests_by_run ON requests (run, number);
"""
RUN = """
INSERT INTO pipelines VALUES ('p', '/gone/p.yaml');
INSERT INTO definitions VALUES ('k', 'm', '[]', '{}');
INSERT INTO runs VALUES (1, '9c30d941ec09', 'p', 'k', '{}', '{}', '{}', 'manual', '2026-01-31T00:00:00+00:00', 'running',
    1.0, NULL, 1.0, 0.0);
INSERT INTO events VALUES (1, 1, 1.0, 'run_started', NULL, '{}');
INSERT INTO requests (run, at, kind) VALUES (1, 2.0, 'cancel');
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state of version 1 with a run that its runner left, in the log that was not folded into the file."""
    folder = tmp_path / "s"
    Store.open(folder).close()
    (folder / "state.db").unlink()
    old_runner(folder, SCHEMA_1 + "PRAGMA user_version=1; COMMIT; PRAGMA wal_checkpoint(TRUNCATE); BEGIN;" + RUN)
    return folder


def old_runner(folder: Path, script: str) -> None:
    """Lets a runner write that is then killed."""
    code = (
        "import sqlite3, sys, os; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA journal_mode=WAL'); c.execute('PRAGMA wal_autocheckpoint=0');"
        "c.executescript('BEGIN;' + sys.argv[2] + 'COMMIT;'); os._exit(9)"
    )
    path = folder / "state.db"
    assert subprocess.run([sys.executable, "-c", code, path, script], check=False).returncode == 9


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return found


def shape(path: Path) -> dict[str, list[object]]:
    with closing(sqlite3.connect(path)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master ORDER BY name")]
        return {
            name: [
                connection.execute(f"PRAGMA {pragma}('{name}')").fetchall()
                for pragma in ("table_xinfo", "foreign_key_list", "index_xinfo")
            ]
            for name in names
        }


def test_a_state_of_version_1_is_brought_up_with_all_that_is_in_it(folder: Path) -> None:
    store = Store.open(folder)
    run = store.find("9c30")
    assert store.events(run) == [RunStarted(1.0)]
    assert store._all("SELECT number, kind, data FROM requests") == [(1, "cancel", "{}")]
    store.record(run, 1, [], cache=[CacheRow("a", "key", 1.0, None, b"", b"")])
    store.close()
    assert version(folder / "state.db") == VERSION


def test_a_state_that_was_brought_up_is_like_a_new_one(folder: Path, tmp_path: Path) -> None:
    for opened in (folder, tmp_path / "new"):
        Store.open(opened).close()
    assert shape(folder / "state.db") == shape(tmp_path / "new" / "state.db")


def test_what_the_state_was_stays_beside_it_for_its_owner_only(folder: Path) -> None:
    Store.open(folder).close()
    backup = folder / "state.db.bak-v1"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert version(backup) == 1
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT id FROM runs").fetchall() == [("9c30d941ec09",)]
    assert [path.name for path in folder.glob("state.db.bak*")] == [backup.name]


def test_reading_takes_an_older_state_as_it_is_and_leaves_it_so(folder: Path) -> None:
    files = [folder / name for name in ("state.db", "state.db-wal")]
    before = [path.read_bytes() for path in files]
    store = Store.open_for_reading(folder)
    assert [run.id for run in store.runs()] == ["9c30d941ec09"]
    assert store.cached("p", "a", "key") is None
    store.close()
    assert [path.read_bytes() for path in files] == before


def test_a_runner_of_version_1_goes_on_while_the_state_is_brought_up(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "state.db", isolation_level=None)) as old:
        asks = "INSERT INTO requests (run, at, kind) VALUES (1, 3.0, 'cancel')"
        old.execute(asks)
        Store.open(folder).close()
        old.execute(asks)
        old.execute("INSERT INTO events VALUES (1, 2, 2.0, 'attempt_started', 'a', '{\"attempt\":1}')")
        assert old.execute("SELECT number, kind FROM requests WHERE run = 1").fetchall()[-1] == (3, "cancel")


def test_a_state_that_cannot_be_brought_up_stays_as_it_was(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "state.db")) as connection:
        connection.execute("CREATE TABLE cache (x)")
    with pytest.raises(StateError, match="cannot be used"):
        Store.open(folder)
    assert version(folder / "state.db") == 1
    with closing(sqlite3.connect(folder / "state.db")) as connection:
        assert "data" not in [row[1] for row in connection.execute("PRAGMA table_info(requests)")]


DIES = """
import os, sys; sys.path.insert(0, sys.argv[2])
from pathlib import Path
from pipectl.store import database
left, connect = int(sys.argv[3]), database._connect
def count(statement):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
def counted(path, mode):
    connection = connect(path, mode)
    connection.set_trace_callback(count)
    return connection
database._connect = counted
database.Database.open(Path(sys.argv[1])).close()
"""


def test_killed_at_any_statement_the_state_is_old_or_new_and_the_next_brings_it_up(folder: Path) -> None:
    root = str(Path(__file__).parents[2])
    path, seen = folder / "state.db", set()
    kept = {name: (folder / name).read_bytes() for name in ("state.db", "state.db-wal")}
    for statements in range(100):
        for name in ("state.db", "state.db-wal", "state.db-shm"):
            (folder / name).unlink(missing_ok=True)
        for name, data in kept.items():
            (folder / name).write_bytes(data)
        died = subprocess.run([sys.executable, "-c", DIES, folder, root, str(statements)], check=False).returncode
        seen.add(version(path))
        assert version(path) in {1, VERSION}
        Store.open(folder).close()
        assert version(path) == VERSION
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)
        if not died:
            break
    assert died == 0, "it never came to its end"
    assert seen == {1, VERSION}


OPENS = """
import sys; sys.path.insert(0, sys.argv[2])
from pathlib import Path
from pipectl.store.store import Store
store = Store.open(Path(sys.argv[1]))
assert store._all("SELECT data FROM requests") == [("{}",)]
store.close()
"""


def test_of_many_processes_that_open_an_old_state_one_brings_it_up(folder: Path) -> None:
    root = str(Path(__file__).parents[2])
    started = [subprocess.Popen([sys.executable, "-c", OPENS, folder, root], env=os.environ) for _ in range(16)]
    assert [process.wait(60) for process in started] == [0] * 16
    assert version(folder / "state.db") == VERSION
    assert version(folder / "state.db.bak-v1") == 1
