"""The way of a state from each version of its schema to the next.

One process goes it, under the writer mutex, while others that open the state wait; the state is then of the version
before or of the newest, and never between. What it was stays beside it as `state.db.bak-v1`.

A runner of the version before may be at work meanwhile: a step leaves all that such a one reads and writes.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

VERSION = 2
"""The version of schema.sql, kept in the file as PRAGMA user_version."""

_STEPS: dict[int, tuple[str, ...]] = {  # from this version to the next
    1: (
        "ALTER TABLE requests ADD COLUMN data TEXT NOT NULL DEFAULT '{}'",
        """CREATE TABLE cache (
            pipeline TEXT NOT NULL,
            instance TEXT NOT NULL,
            key      TEXT NOT NULL,
            at       REAL NOT NULL,
            run      INTEGER REFERENCES runs (number) ON DELETE SET NULL,
            output   TEXT,
            parts    BLOB NOT NULL,
            files    BLOB NOT NULL,
            PRIMARY KEY (pipeline, instance, key)
        )""",
        "CREATE INDEX cache_by_run ON cache (run)",
    ),
}


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the schema, 0 where there is none yet."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Brings the database at `path`, of an older version, to the newest. To be called under the writer mutex.

    Raises sqlite3.Error or OSError where that cannot be done; the database is then as it was.
    """
    _back_up(connection, path, path.with_name(f"{path.name}.bak-v{version_of(connection)}"))
    connection.execute("BEGIN IMMEDIATE")
    try:
        for version in range(version_of(connection), VERSION):
            for statement in _STEPS[version]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _back_up(connection: sqlite3.Connection, path: Path, backup: Path) -> None:
    """A copy that is there only when it is complete, and only its owner can read."""
    part = path.with_name(f"{backup.name}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    with closing(sqlite3.connect(part)) as copy:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # a copy in one file
    _sync(part)
    part.replace(backup)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
