"""SQLite: files that many processes share, one of which writes at a time."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, TypeVar
from urllib.parse import unquote

from pipectl.tasks.sql.binding import Parameters
from pipectl.tasks.sql.databases.base import Database, Result, Target
from pipectl.tasks.sql.own_state import refuse_own_state, refuse_own_state_in
from pipectl.tasks.sql.values import to_field

T = TypeVar("T")

_PATIENCE = 0.2  # seconds: a signal is heard only between two waits for a lock
_STEPS = 1_000_000  # of SQLite's machine, some ten milliseconds: a signal is heard only between them
_LARGEST = 1 << 63
_KNOWN = frozenset({str, float, bool, type(None)})


class SQLite(Database):
    """A file. It is waited for as long as others hold its lock."""

    dialect = "sqlite"
    quote = "`"  # what stands in double quotes is text where there is no such name
    nothing = ""
    unheld = frozenset({"PRAGMA", "ATTACH", "DETACH"})
    types = Database.types | {
        "integer": "INTEGER",
        "number": "REAL",
        "date": "TEXT",
        "timestamp": "TEXT",
        "key": "TEXT",
    }

    def connect(self, *, transaction: bool) -> None:
        """Opens the file, relative to the pipeline's folder. Raises Fault where it is pipectl's own state."""
        (database,), given = self._sqlalchemy.create_connect_args(self.url)
        if not database.startswith("file:"):
            database = self.url.database or ":memory:"  # SQLAlchemy took it for relative to where the attempt runs
        scheme, colon, rest = database.partition(":") if database.startswith("file:") else ("", "", database)
        path, mark, options = rest.partition("?") if scheme else (rest, "", "")
        if path != ":memory:" and path:
            path = os.path.join(self.surroundings.folder, path)  # noqa: PTH118
            refuse_own_state(unquote(path) if scheme else path, self.surroundings.state_file)
        self._name = path
        self.connection = sqlite3.connect(
            f"{scheme}{colon}{path}{mark}{options}",
            **{**given, "timeout": _PATIENCE, "isolation_level": None, "check_same_thread": True},
        )
        self.connection.set_progress_handler(lambda: 0, _STEPS)

    def begin(self, *, writes: bool) -> None:
        """Begins; where it will write it waits for the right to do so now, since later there may be a deadlock."""
        self._patiently(lambda: self.connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN"))

    def commit(self) -> None:
        """Makes it last, as soon as others who read let it."""
        self._patiently(self.connection.commit)

    def is_in_transaction(self) -> bool:
        """Whether a transaction was begun and did not end."""
        return bool(self.connection.in_transaction)

    def execute(self, sql: str, parameters: Parameters = (), most: int | None = None) -> Result:
        """Runs a statement. Raises Fault where it opens pipectl's own state."""
        attaches = "attach" in sql.lower()
        if attaches:
            refuse_own_state_in(sql, parameters, self.surroundings.state_file)
        cursor = self._patiently(lambda: self.connection.execute(sql, parameters))
        if attaches:
            for _, _, path in self.connection.execute("PRAGMA database_list"):
                refuse_own_state(path, self.surroundings.state_file)
        if cursor.description is None:
            return Result(count=cursor.rowcount)
        return Result([column[0] for column in cursor.description], _interruptible(cursor))

    def fitted(self, rows: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """The rows with numbers as they fit, and what SQLite's driver does not know as text."""
        for row in rows:
            yield row if _KNOWN.issuperset(map(type, row)) else [self._fitted(value) for value in row]

    def _fitted(self, value: Any) -> Any:
        return self.parameter(value) if type(value) in (bool, int, bytes) else to_field(value)

    def booleans(self, target: Target) -> Sequence[int]:
        """The places of the columns that are declared as booleans: to SQLite itself any word is false."""
        *schema, table = map(self.identifier, target.path)
        rows = self.connection.execute(f"PRAGMA {'.'.join([*schema, 'table_info'])}({table})")
        found = {name for _, name, type_, *_ in rows if type_.upper().startswith("BOOL")}
        return [place for place, name in enumerate(target.columns) if name in found]

    def parameter(self, value: Any) -> Any:
        """A whole number of more than 64 bits as text: SQLite has none."""
        if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            return str(value)
        return value

    def literal(self, value: Any) -> str:
        """As text of a statement; SQLite's true and false are numbers."""
        return super().literal(int(value) if isinstance(value, bool) else value)

    def message(self, error: BaseException) -> str:
        """What SQLite says, with the file where that cannot be opened."""
        message = str(error)
        return f"{message} (`{self._name}`)" if "unable to open database file" in message else message

    def _patiently(self, action: Callable[[], T]) -> T:
        """What the action gives, as soon as no other process holds the lock that it needs."""
        told = False
        while True:
            try:
                return action()
            except sqlite3.OperationalError as error:
                code = error.sqlite_errorcode
                if code == sqlite3.SQLITE_INTERRUPT:
                    raise KeyboardInterrupt from None
                if code & 0xFF != sqlite3.SQLITE_BUSY or code == sqlite3.SQLITE_BUSY_SNAPSHOT:
                    raise
            if not told:
                print("waiting for the lock of the database, which another process holds", flush=True)
                told = True


def _interruptible(cursor: sqlite3.Cursor) -> Iterator[Sequence[Any]]:
    """The rows; SQLite itself is interrupted by nothing but a signal, which is to end the attempt."""
    try:
        with closing(cursor):
            yield from cursor
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            raise KeyboardInterrupt from None
        raise
