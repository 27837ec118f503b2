"""MySQL and MariaDB, by PyMySQL."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.batches import batches
from pipectl.tasks.sql.binding import Parameters
from pipectl.tasks.sql.databases.base import Database, Result, Target
from pipectl.tasks.sql.readers import Source

FIELD_TYPE: Any = import_module("pymysql.constants.FIELD_TYPE")
conversions: Any = import_module("pymysql.converters").conversions

_MARK = "pipectl_begin"
_NO_SAVEPOINT = 1305
_IN_TRANSACTION = 1
_REFUSED = frozenset({1044, 1045, 1049, 1130, 1698, 3118, 4151})  # who connects, or the database
_SUBQUERY_OF_MORE = 1242
_ROW = re.compile(r"\bat row (\d+)")
_CONVERSIONS = {kind: convert for kind, convert in conversions.items() if kind != FIELD_TYPE.TIME}  # `25:00:00` is one
_TYPES = {
    FIELD_TYPE.TINY: "integer",
    FIELD_TYPE.SHORT: "integer",
    FIELD_TYPE.INT24: "integer",
    FIELD_TYPE.LONG: "integer",
    FIELD_TYPE.LONGLONG: "integer",
    FIELD_TYPE.YEAR: "integer",
    FIELD_TYPE.FLOAT: "number",
    FIELD_TYPE.DOUBLE: "number",
    FIELD_TYPE.DATE: "date",
    FIELD_TYPE.DATETIME: "timestamp",
    FIELD_TYPE.TIMESTAMP: "timestamp",
}
_TIMED_OUT = frozenset({1205, 1969, 3024})  # a lock; a statement in MariaDB, and in MySQL


class MySQL(Database):
    """A server. Rows come as a stream; a definition ends the transaction that it stands in."""

    dialect = "mysql"
    quote = "`"
    types = Database.types | {
        "number": "DOUBLE",
        "timestamp": "DATETIME(6)",
        "bytes": "LONGBLOB",
        "text": "LONGTEXT",
    }
    nothing = "SELECT NULL FROM DUAL WHERE 1 = 0"

    def connect(self, *, transaction: bool) -> None:
        """Connects, and bounds what a statement of this attempt may take on the server."""
        self.connection = self._connected()
        self.connection.autocommit(not transaction)
        is_mariadb = "mariadb" in self.connection.get_server_info().lower()
        collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
        self.types = self.types | {"key": f"VARCHAR(255) CHARACTER SET utf8mb4 COLLATE {collation}"}
        if self.surroundings.timeout is None:
            return
        seconds = self.surroundings.timeout + 1  # a second more than the attempt has, which is what ends it
        limit = f"max_statement_time = {seconds}" if is_mariadb else f"max_execution_time = {round(seconds * 1000)}"
        self._do(f"SET SESSION {limit}, SESSION innodb_lock_wait_timeout = {max(1, round(seconds))}")

    def close(self) -> None:
        """Ends the connection, and with it what was not committed."""
        if self.connection._result is not None:
            self.connection._result.unbuffered_active = False  # else PyMySQL reads all rows that are left
        super().close()

    def interrupt(self) -> None:
        """Ends on the server what it still does for this connection."""
        with contextlib.suppress(Exception), self._connected() as other, other.cursor() as cursor:
            cursor.execute("KILL %s", (self.connection.thread_id(),))

    def begin(self, *, writes: bool) -> None:
        """Begins a transaction."""
        self.connection.begin()

        self._do(f"SAVEPOINT {_MARK}")

    def is_held(self) -> bool:
        """Whether the transaction that was begun goes on: with it goes the savepoint at its beginning."""
        try:
            self._do(f"RELEASE SAVEPOINT {_MARK}")
        except self.driver.OperationalError as error:
            if _number(error) != _NO_SAVEPOINT:
                raise
            return False
        self._do(f"SAVEPOINT {_MARK}")
        return True

    def is_in_transaction(self) -> bool:
        """Whether a transaction was begun and did not end, as the server says with each answer."""
        self._do("DO 0")
        return bool(self.connection.server_status & _IN_TRANSACTION)

    def execute(self, sql: str, parameters: Parameters = (), most: int | None = None) -> Result:
        """Runs a statement."""
        cursor = self.connection.cursor(self.driver.cursors.SSCursor)
        cursor.execute(sql, parameters or None)
        if cursor.description is None:
            return Result(count=cursor.rowcount)
        types = [_type(*column) for column in cursor.description]
        return Result([column[0] for column in cursor.description], cursor, types=types)

    def text_literal(self, value: str) -> str:
        """The text in quotes, with backslashes as this server reads them."""
        return str(self.connection.escape(value))

    def is_refused(self, error: Any) -> bool:
        """Whether the account, the database or an option is wrong."""
        return super().is_refused(error) or _number(error) in _REFUSED

    def is_timeout(self, error: BaseException) -> bool:
        """Whether the time of a statement or a lock was over."""
        return _number(error) in _TIMED_OUT

    def message(self, error: BaseException) -> str:
        """What the server says."""
        return str(error.args[1]) if len(error.args) > 1 else str(error)

    def insert(self, sql: str, rows: Iterator[Sequence[Any]], source: Source) -> int:
        """Runs an insert for each of the rows, which are those of the file, and gives their number.

        A batch is one statement, so that the row of which an error tells is found in the file.
        """
        cursor, count = self.connection.cursor(), 0
        cursor.max_stmt_length = sys.maxsize
        for batch in batches(rows):
            try:
                cursor.executemany(sql, batch)
            except self.driver.Error as error:
                if _number(error) == _SUBQUERY_OF_MORE:
                    raise Fault("a row is that of another key by another unique key of the table") from None
                place = partial(_placed, before=count, source=source)
                error.args = (_number(error), _ROW.sub(place, self.message(error)))
                raise
            count += len(batch)
        return count

    def booleans(self, target: Target) -> Sequence[int]:
        """The places of the columns that are `tinyint(1)`, which is all that MySQL knows as a boolean."""
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(map(self.identifier, target.columns))} FROM {target.table} WHERE 1 = 0")
            types = [(column[1], column[3]) for column in cursor.description]
        return [place for place, type_ in enumerate(types) if type_ == (FIELD_TYPE.TINY, 1)]

    def upsert(self, target: Target) -> str:
        """MySQL goes by any unique key of the table: a row that it finds by another one is made an error.

        Raises Fault where the key is not unique. Where it is all there is, nothing is changed.
        """
        unique = self._unique(target.table)
        if set(target.key) not in unique:
            raise Fault(f"`{', '.join(target.key)}` is no primary or unique key of the table, by which it finds rows")
        changed = [name for name in target.columns if name not in target.key] or target.key[:1]
        values = {name: f"VALUES({name})" for name in map(self.identifier, changed)}
        if len(unique) > 1:
            same = " AND ".join(f"{name} <=> VALUES({name})" for name in map(self.identifier, target.key))
            first = next(iter(values))
            values[first] = f"IF({same}, {values[first]}, (SELECT 1 UNION SELECT 2))"
        return " ON DUPLICATE KEY UPDATE " + ", ".join(f"{name} = {value}" for name, value in values.items())

    def _unique(self, table: str) -> list[set[str]]:
        """The columns of each of its unique keys; a part of a column is none."""
        keys: dict[str, set[str]] = {}
        for _, _, key, _, column, _, _, part, *_ in self.execute(f"SHOW INDEX FROM {table} WHERE Non_unique = 0"):
            keys.setdefault(key, set()).add(column if part is None else "")
        return list(keys.values())

    def _do(self, sql: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)

    def _connected(self) -> Any:
        arguments, options = self._sqlalchemy.create_connect_args(self.url)
        options = {"charset": "utf8mb4", "conv": _CONVERSIONS, **options, "autocommit": True}
        return self.driver.connect(*arguments, **options)


def _placed(found: re.Match[str], before: int, source: Source) -> str:
    return f"at {source.place(before + int(found[1]))}"


def _type(name: str, kind: int, shown: object, length: int, precision: int, scale: int, *more: object) -> str:
    """The type of a result's column; of decimals the server tells how long they are with a sign and a point."""
    if kind in (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL):
        return f"decimal({38 if length < 40 else 76}, {scale})"
    return _TYPES.get(kind, "")


def _number(error: BaseException) -> Any:
    return error.args[0] if error.args else None
