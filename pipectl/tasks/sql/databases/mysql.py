"""MySQL and MariaDB, by PyMySQL."""

from __future__ import annotations

import contextlib
from typing import Any

from pipectl.tasks.sql.binding import Parameters
from pipectl.tasks.sql.databases.base import Database, Result, Target

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
        if self.surroundings.timeout is None:
            return
        seconds = self.surroundings.timeout + 1  # a second more than the attempt has, which is what ends it
        is_mariadb = "mariadb" in self.connection.get_server_info().lower()
        limit = f"max_statement_time = {seconds}" if is_mariadb else f"max_execution_time = {round(seconds * 1000)}"
        with self.connection.cursor() as cursor:
            cursor.execute(f"SET SESSION {limit}, SESSION innodb_lock_wait_timeout = {max(1, round(seconds))}")

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

    def execute(self, sql: str, parameters: Parameters = ()) -> Result:
        """Runs a statement."""
        cursor = self.connection.cursor(self.driver.cursors.SSCursor)
        cursor.execute(sql, parameters or None)
        if cursor.description is None:
            return Result(count=cursor.rowcount)
        return Result([column[0] for column in cursor.description], cursor)

    def text_literal(self, value: str) -> str:
        """The text in quotes, with backslashes as this server reads them."""
        return str(self.connection.escape(value))

    def is_timeout(self, error: BaseException) -> bool:
        """Whether the time of a statement or a lock was over."""
        return _number(error) in _TIMED_OUT

    def message(self, error: BaseException) -> str:
        """What the server says."""
        return str(error.args[1]) if len(error.args) > 1 else str(error)

    def upsert(self, target: Target) -> str:
        """MySQL goes by every unique key of the table; where the key is all there is, nothing is changed."""
        changed = [name for name in target.columns if name not in target.key] or target.key[:1]
        names = map(self.identifier, changed)
        return " ON DUPLICATE KEY UPDATE " + ", ".join(f"{name} = VALUES({name})" for name in names)

    def _connected(self) -> Any:
        arguments, options = self._sqlalchemy.create_connect_args(self.url)
        return self.driver.connect(*arguments, **{"charset": "utf8mb4", **options, "autocommit": True})


def _number(error: BaseException) -> Any:
    return error.args[0] if error.args else None
