"""The one place that opens state.db.

Nothing else may open that file in a process that uses it: closing any descriptor of it drops SQLite's locks, and with
them committed data (https://sqlite.org/howtocorrupt.html, 2.2). Its connection is never carried over a fork.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from pipectl.errors import StateError, UsageError
from pipectl.model import Durability
from pipectl.store import folder as state_folder
from pipectl.store.locks import WriterMutex
from pipectl.store.migrations import VERSION, migrate, version_of

_CHECKPOINT_EVERY = 64  # commits between looks at the log's size
_CHECKPOINT_BYTES = 4 << 20
_TRUNCATE_BYTES = 16 << 20


class Database:
    """A connection to state.db, for reading, or for reading and writing."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, mutex: WriterMutex | None) -> None:
        self.folder = folder
        self._connection = connection
        self._mutex = mutex
        self._commits = 0
        self._inode = _inode(folder)
        self.execute = connection.execute

    @classmethod
    def open(cls, folder: Path) -> Database:
        """Opens the state for writing, and makes it where there is none. Raises StateError where it cannot be used."""
        state_folder.prepare(folder)
        path = folder / "state.db"
        with _explained(path):
            _create_private(folder, path)
            _inspect(path)
            connection = _connect(path, "rw")
            mutex = WriterMutex(folder / "locks" / "writer.lock")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA wal_autocheckpoint=0")
            connection.execute(f"PRAGMA journal_size_limit={_TRUNCATE_BYTES}")
            if sys.platform == "darwin":
                connection.execute("PRAGMA fullfsync=ON")
                connection.execute("PRAGMA checkpoint_fullfsync=ON")
            database = cls(folder, connection, mutex)
            if version_of(connection) != VERSION:
                database._bring_up()
        return database

    @classmethod
    def open_for_reading(cls, folder: Path) -> Database:
        """Opens the state that is there, and changes nothing in it.

        Raises StateError where it cannot be used, and UsageError where there are no runs yet.
        """
        path = folder / "state.db"
        with _explained(path):
            state_folder.check_private(folder)
            if _inspect(path):
                raise UsageError(f"there are no runs yet in `{folder}`", "run a pipeline first: `pipectl run FILE`")
            connection = _connect(path, "ro")
            _refuse_newer(path, version_of(connection))
            return cls(folder, connection, None)

    def beside(self) -> Database:
        """The same state, for reading in another thread of this process: the one that calls this."""
        path = self.folder / "state.db"
        with _explained(path):
            return Database(self.folder, _connect(path, "ro"), None)

    @property
    def is_writable(self) -> bool:
        """Whether it was opened for writing too."""
        return self._mutex is not None

    @property
    def version(self) -> int:
        """The version of its schema: for reading, an older state is taken as it is."""
        return version_of(self._connection)

    def set_durability(self, durability: Durability) -> None:
        """With `full` a commit survives a power cut, with `normal` only the end of this process."""
        self.execute(f"PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'}")

    def _bring_up(self) -> None:
        """Makes the schema, or brings it up from an older version, where no other process was first."""
        path = self.folder / "state.db"
        assert self._mutex is not None
        with self._mutex.held():
            found = version_of(self._connection)
            _refuse_newer(path, found)
            if found == 0:
                self._create(path)
            elif found < VERSION:
                migrate(self._connection, path)
            self.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _create(self, path: Path) -> None:
        if self.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            raise StateError(
                f"`{path}` is a database, but not one of pipectl",
                "it was left as it is; use another state: `--state DIR`",
            )
        self.execute("PRAGMA journal_mode=WAL")
        script = files("pipectl.store").joinpath("schema.sql").read_text(encoding="utf-8")
        self._connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version={VERSION};\nCOMMIT;")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, durable when the block returns. Raises StateError where it cannot be written."""
        assert self._mutex is not None, "opened for reading"
        with _explained(self.folder / "state.db"), self._mutex.held():
            if _inode(self.folder) != self._inode:
                raise StateError(f"the state `{self.folder / 'state.db'}` was removed or replaced while it was in use")
            self.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.rollback()
                raise
            self.execute("COMMIT")
            self._commits += 1
            if self._commits % _CHECKPOINT_EVERY == 0:
                self._checkpoint()

    def _checkpoint(self) -> None:
        size = (self.folder / "state.db-wal").stat().st_size
        if size > _CHECKPOINT_BYTES:
            self.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if size > _TRUNCATE_BYTES else 'PASSIVE'})")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Explains what goes wrong while reading."""
        with _explained(self.folder / "state.db"):
            yield self._connection

    def close(self) -> None:
        """Closes the connection. The last one of a state folds the log into the file, under the mutex too."""
        if self._mutex is None:
            self._connection.close()
            return
        with self._mutex.held(), suppress(sqlite3.Error, OSError):
            self._checkpoint()
            self._connection.close()
        self._mutex.close()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    name = str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(f"file:{name}?mode={mode}", uri=True, isolation_level=None, timeout=30)
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


def _inode(folder: Path) -> int:
    try:
        return os.lstat(f"{folder}/state.db").st_ino
    except FileNotFoundError:
        return 0


def _create_private(folder: Path, path: Path) -> None:
    state_folder.check_private(folder)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))


def _inspect(path: Path) -> bool:
    """Whether the file is empty, read from its header before SQLite touches it. Raises StateError for what is not ours.

    No connection to it may be open in this process yet.
    """
    with path.open("rb") as file:
        header = file.read(100)
    if not header:
        return True
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise StateError(
            f"`{path}` is not a database of pipectl",
            "it was left as it is; move it away, or use another state: `--state DIR`",
        )
    version = int.from_bytes(header[60:64], "big")
    _refuse_newer(path, version)
    return version == 0


def _refuse_newer(path: Path, version: int) -> None:
    if version > VERSION:
        raise StateError(
            f"`{path}` was written by a newer pipectl (its format is {version}, this version knows {VERSION})",
            "upgrade pipectl: `pip install --upgrade pipectl`",
        )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _state_error(path, error) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _no_space(path) from error
        raise StateError(
            f"the state `{path}` cannot be used: {error.strerror}", "`--state DIR` names another"
        ) from error


def _state_error(path: Path, error: sqlite3.Error) -> StateError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return _no_space(path)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StateError(
            f"the state `{path}` is damaged ({error})",
            "it was left as it is; move the folder away to start anew",
        )
    if name.startswith("SQLITE_CONSTRAINT"):
        return StateError(f"another process wrote the same part of the state `{path}` ({error})")
    return StateError(f"the state `{path}` cannot be used ({error})", "`--state DIR` names another")


def _no_space(path: Path) -> StateError:
    return StateError(
        f"the state `{path}` cannot be written: no space left on the device",
        "make room, then `pipectl resume` goes on where it stopped",
    )
