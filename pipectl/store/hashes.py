"""Digests of files by what the file system says of them, so that what did not change is not read again.

They are in a file of their own, `hashes.db`: no run waits for another's, and it may be deleted at any time. Trouble
with it is passed over, since all it costs is to read files again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

Signature = tuple[int, int, int, int]
"""Size, when it was modified and when changed (nanoseconds since the epoch), and inode."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS hashes (
    folder TEXT, name TEXT, size INTEGER, modified INTEGER, changed INTEGER, inode INTEGER, digest TEXT,
    PRIMARY KEY (folder, name)
) WITHOUT ROWID
"""
_COLUMNS = "size, modified, changed, inode, digest"
_PATIENCE = 1.0  # seconds to wait for another process that writes
_MOST_PENDING = 1000
_MOST_PENDING_BYTES = 256 << 20  # of the files: what it would cost to read them again
_LARGEST = 512 << 20  # a file of forgotten folders starts anew


class Hashes:
    """The digests that a state folder remembers; belongs to the thread that first asks. None remembers nothing."""

    def __init__(self, folder: Path | None, *, writable: bool = True) -> None:
        self._path = folder / "hashes.db" if folder else None
        self._writable = writable
        self._opened = False
        self._connection: sqlite3.Connection | None = None
        self._pending: dict[tuple[str, str], tuple[Signature, str]] = {}
        self._pending_bytes = 0

    def of_file(self, folder: str, name: str, signature: Signature) -> str | None:
        """The digest of a file that has not changed since it was hashed; None where that is not known."""
        known = self._pending.get((folder, name))
        if known is None:
            rows = self._read(f"SELECT {_COLUMNS} FROM hashes WHERE folder = ? AND name = ?", folder, name)
            known = ((rows[0][0], rows[0][1], rows[0][2], rows[0][3]), rows[0][4]) if rows else None
        return known[1] if known and known[0] == signature else None

    def of_folder(self, folder: str) -> Mapping[str, tuple[Signature, str]]:
        """All that is known of the files of a folder: what each was when it was hashed, and its digest."""
        self.flush()
        rows = self._read(f"SELECT name, {_COLUMNS} FROM hashes WHERE folder = ?", folder)
        return {
            name: ((size, modified, changed, inode), digest) for name, size, modified, changed, inode, digest in rows
        }

    def remember(self, folder: str, name: str, signature: Signature, digest: str) -> None:
        """Keeps a digest for later."""
        if not _is_text(folder + name):
            return
        self._pending[folder, name] = (signature, digest)
        self._pending_bytes += signature[0]
        if len(self._pending) >= _MOST_PENDING or self._pending_bytes >= _MOST_PENDING_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes down what was learned."""
        connection = self._open() if self._pending else None
        if connection is None or not self._writable:
            return
        rows = [(folder, name, *signature, digest) for (folder, name), (signature, digest) in self._pending.items()]
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "") != "SQLITE_BUSY":
                self._give_up(error)
            elif connection.in_transaction:
                connection.rollback()
            return
        self._pending.clear()
        self._pending_bytes = 0

    def close(self) -> None:
        """Writes down what was learned, and closes the file."""
        self.flush()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        connection = self._open()
        if connection is None or not _is_text("".join(values)):
            return []
        try:
            return connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            self._give_up(error)
            return []

    def _open(self) -> sqlite3.Connection | None:
        if not self._opened and self._path is not None:
            self._opened = True
            try:
                self._connection = _connect(self._path, writable=self._writable)
            except (sqlite3.Error, OSError) as error:
                self._give_up(error)
        return self._connection

    def _give_up(self, error: Exception) -> None:
        """Goes on without the file, which starts anew the next time where it is damaged."""
        with suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
        self._connection = None
        damaged = getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
        if damaged and self._writable and self._path is not None:
            _remove(self._path)


def _connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    if writable:
        if path.exists() and path.stat().st_size > _LARGEST:
            _remove(path)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    name = str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    uri = f"file:{name}?mode={'rw' if writable else 'ro'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_PATIENCE)
    connection.execute("PRAGMA synchronous=NORMAL")
    if writable:
        connection.execute(_SCHEMA)
    return connection


def _remove(path: Path) -> None:
    """Another process that has it open goes on with what it opened."""
    with suppress(OSError):
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _is_text(name: str) -> bool:
    """Whether it can be stored: a name that is no UTF-8 has half characters in it."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
