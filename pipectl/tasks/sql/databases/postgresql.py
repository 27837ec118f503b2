"""PostgreSQL, by psycopg: results as a stream, files by COPY, statements that end with their attempt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import psycopg
from psycopg import sql as composed

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.binding import Parameters
from pipectl.tasks.sql.databases.base import BATCH, Database, Result, Target
from pipectl.tasks.sql.formats import Format, opened
from pipectl.tasks.sql.readers import CsvFile, Source

_STREAMED = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:select|with|values|table)\b", re.IGNORECASE | re.DOTALL)
_CHANGES = re.compile(r"\b(?:insert|update|delete|merge|into)\b", re.IGNORECASE)
_IN = re.compile(r"\b(not\s+)?in\s*\(\s*\Z", re.IGNORECASE)
_CHUNK = 1 << 18
_BOOLEAN = 16
_END_MARK = re.compile(rb"^\\\.\r?$", re.MULTILINE)
_STAGE = "pipectl_stage"

_LIMIT_STATEMENTS = """
    select set_config('statement_timeout', %(most)s, false) from pg_settings
    where name = 'statement_timeout' and setting::bigint not between 1 and %(most)s::bigint
"""
_NOTICE_LOST_CLIENTS = """
    select set_config('client_connection_check_interval', '1000', false) from pg_settings
    where name = 'client_connection_check_interval' and setting = '0'
"""


class PostgreSQL(Database):
    """A server. It ends what its client asked for when the time is over, and when the client is gone."""

    dialect = "postgresql"
    types = Database.types | {"bytes": "BYTEA", "key": "TEXT"}

    def connect(self, *, transaction: bool) -> None:
        """Connects, and bounds what a statement of this attempt may take on the server."""
        arguments, options = self._sqlalchemy.create_connect_args(self.url)
        options = {"fallback_application_name": "pipectl", "connect_timeout": 30, **options, "autocommit": True}
        self.connection = psycopg.connect(*arguments, **options)
        self.connection.add_notice_handler(_tell)
        if self.surroundings.timeout is not None:
            # A second more than the attempt has, which is what ends it; this is for when that cannot any more.
            most = str(round(self.surroundings.timeout * 1000) + 1000)
            self.connection.execute(_LIMIT_STATEMENTS, {"most": most})
        self.connection.execute(_NOTICE_LOST_CLIENTS)

    def begin(self, *, writes: bool) -> None:
        """Begins a transaction."""
        self.connection.execute("BEGIN")

    def execute(self, sql: str, parameters: Parameters = ()) -> Result:
        """Runs a statement. The rows of a query come as a stream; those of others are few, and held."""
        cursor = self.connection.cursor()
        if _is_query(sql):
            return self._streamed(sql, parameters)
        cursor.execute(sql, parameters or None)
        if cursor.description is None:
            return Result(count=cursor.rowcount)
        return Result([column.name for column in cursor.description], iter(cursor))

    def load(self, target: Target, source: Source) -> int:
        """Copies the file; with a key, by way of a table beside, whose last row of a key counts."""
        if not target.key:
            return self._copy(target.table, target.columns, source)
        names = self._names(target.columns)
        cursor = self.connection.cursor()
        cursor.execute(f"CREATE TEMP TABLE {_STAGE} ON COMMIT DROP AS SELECT {names} FROM {target.table} WITH NO DATA")
        cursor.execute(f"ALTER TABLE {_STAGE} ADD COLUMN pipectl_line bigserial")
        count = self._copy(_STAGE, target.columns, source)
        lost = " OR ".join(f"{self.identifier(name)} IS NULL" for name in target.key)
        if cursor.execute(f"SELECT 1 FROM {_STAGE} WHERE {lost} LIMIT 1").fetchone():
            raise Fault(f"a row has no `{', '.join(target.key)}`, by which it would be known")
        keys = self._names(target.key)
        rows = f"SELECT DISTINCT ON ({keys}) {names} FROM {_STAGE} ORDER BY {keys}, pipectl_line DESC"
        cursor.execute(f"INSERT INTO {target.table} ({names}) {rows}{self.upsert(target)}")
        return count

    def save(self, sql: str, parameters: Parameters, path: str, form: Format) -> tuple[list[str], int] | None:
        """Writes a CSV file as the server makes it, with `true` and `false` in words."""
        if form.kind != "csv" or not _is_query(sql):
            return None
        cursor = self.connection.cursor()
        described = cursor.execute(f"SELECT * FROM ({sql}\n) AS rows LIMIT 0", parameters or None).description or ()
        names = [column.name for column in described]
        columns = "*"
        if any(column.type_code == _BOOLEAN for column in described) and len(set(names)) == len(names):
            columns = ", ".join(
                self.identifier(column.name).replace("%", "%%" if parameters else "%")
                + ("::text" if column.type_code == _BOOLEAN else "")
                for column in described
            )
        copy_rows = f"COPY (SELECT {columns} FROM ({sql}\n) AS rows) TO STDOUT (FORMAT csv, HEADER)"
        with opened(path, "wb", form) as file, cursor.copy(copy_rows, parameters or None) as copy:
            for block in copy:
                file.write(block)
        return names, int(cursor.rowcount)

    def _streamed(self, sql: str, parameters: Parameters) -> Result:
        cursor = self.connection.cursor()
        rows = cursor.stream(sql, parameters or None, size=BATCH if psycopg.capabilities.has_stream_chunked() else 1)
        first = next(rows, None)
        if first is None:  # then the stream does not know the columns
            cursor.execute(f"SELECT * FROM ({sql}\n) AS rows LIMIT 0", parameters or None)
        return Result([column.name for column in cursor.description], _rest(first, rows))

    def _copy(self, table: str, columns: Sequence[str], source: Source) -> int:
        """Copies a CSV file that has all the columns as it is; other rows one by one."""
        names, cursor = self._names(columns), self.connection.cursor()
        if isinstance(source, CsvFile) and source.columns == source.header:
            options = f"FORMAT csv, FORCE_NULL ({names}), ENCODING 'UTF8'"
            with source.body() as file, cursor.copy(f"COPY {table} ({names}) FROM STDIN ({options})") as copy:
                for block in _blocks(file):
                    if _END_MARK.search(block):
                        raise Fault(f"`{source.path}` has a line `\\.`, at which PostgreSQL stops: put it in quotes")
                    copy.write(block)
        else:
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in source.rows():
                    copy.write_row(row)
        return int(cursor.rowcount)

    def _names(self, names: Sequence[str]) -> str:
        return ", ".join(map(self.identifier, names))

    def text_literal(self, value: str) -> str:
        """The text in quotes; psycopg knows what a backslash means to this server."""
        return composed.Literal(value).as_string(self.connection)

    def no_values(self, before: str, after: str) -> tuple[str, str]:
        """For `in ()` an empty array: PostgreSQL gives it the type of what is compared, as it does with no select."""
        found = _IN.search(before)
        if found is None or not after.lstrip().startswith(")"):
            return before, "NULL"
        return before[: found.start()] + ("<> all (" if found[1] else "= any ("), "'{}'"

    def is_timeout(self, error: BaseException) -> bool:
        """Whether the time of a statement or a lock was over; pipectl itself cancels nothing without going too."""
        return isinstance(error, (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable))

    def message(self, error: BaseException) -> str:
        """What the server says, with what it adds about the values."""
        if not isinstance(error, psycopg.Error) or not error.diag.message_primary:
            return str(error)
        detail, context = error.diag.message_detail, error.diag.context
        copied = context if context and context.startswith("COPY ") else None
        return ": ".join(part for part in (error.diag.message_primary, detail, copied) if part)


def _is_query(sql: str) -> bool:
    """Whether the statement gives rows and nothing else; one of which that is not sure counts as none."""
    return _STREAMED.match(sql) is not None and _CHANGES.search(sql) is None


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """The file in pieces of whole lines."""
    while block := file.read(_CHUNK):
        yield block + file.readline()


def _rest(first: Sequence[Any] | None, rows: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    if first is not None:
        yield first
        yield from rows


def _tell(notice: psycopg.errors.Diagnostic) -> None:
    print(f"{notice.severity}: {notice.message_primary}", flush=True)
