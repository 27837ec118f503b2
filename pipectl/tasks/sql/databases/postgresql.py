"""PostgreSQL, by psycopg: results as a stream, files by COPY, statements that end with their attempt."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import psycopg
from psycopg import sql as composed

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.binding import IN, Parameters
from pipectl.tasks.sql.databases.base import FETCH, Database, Result, Target
from pipectl.tasks.sql.formats import Format, opened
from pipectl.tasks.sql.readers import CsvFile, Source
from pipectl.tasks.sql.results import unique
from pipectl.tasks.sql.values import array_text, flat, json_text
from pipectl.tasks.sql.writers import refused_bytes

_STREAMED = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:select|with|values|table)\b", re.IGNORECASE | re.DOTALL)
_CHANGES = re.compile(r"\b(?:insert|update|delete|merge|into)\b", re.IGNORECASE)
_BOOLEAN, _NUMERIC = 16, 1700
_BYTES = frozenset({17, 1001})
_JSON = frozenset({114, 3802})
_TYPES = {
    _BOOLEAN: "boolean",
    17: "bytes",
    20: "integer",
    21: "integer",
    23: "integer",
    26: "integer",
    700: "number",
    701: "number",
    1082: "date",
    1083: "time",
    1114: "timestamp",
    1184: "instant",
}
_NESTED: frozenset[type] = frozenset({dict, list})
_PAST_PYTHON = re.compile(r"(?:date|timestamp|time) (?:too|not)|can't parse")
_LINE = re.compile(r"^COPY [^\n]*?, line (\d+)")
_END_MARK = re.compile(rb"^\\\.\r?$", re.MULTILINE)
_REFUSED = re.compile(r"authentication failed|does not exist|no pg_hba.conf entry|permission denied|no password")
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

    def is_in_transaction(self) -> bool:
        """Whether a transaction was begun and did not end."""
        return bool(self.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE)

    def execute(self, sql: str, parameters: Parameters = (), most: int | None = None) -> Result:
        """Runs a statement. The rows of a query come as a stream; those of others are few, and held."""
        if _is_query(sql):
            # A stream that is cancelled takes its transaction with it, and a cursor is planned in another way.
            limited = sql if most is None else f"SELECT * FROM ({sql}\n) AS rows LIMIT {most}"
            return self._streamed(limited, parameters)
        cursor = self.connection.cursor()
        cursor.execute(sql, parameters or None)
        if cursor.description is None:
            return Result(count=cursor.rowcount)
        return _result(cursor.description, cursor)

    def load(self, target: Target, source: Source) -> int:
        """Copies the file; with a key, by way of a table beside, whose last row of a key counts."""
        self.loading = source
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
        """Writes a CSV file as the server makes it, with `true` and `false` in words. Raises Fault for bytes."""
        if form.kind != "csv" or not _is_query(sql):
            return None
        cursor = self.connection.cursor()
        described = cursor.execute(f"SELECT * FROM ({sql}\n) AS rows LIMIT 0", parameters or None).description or ()
        names = unique([column.name for column in described])
        columns = []
        for name, column in zip(map(self.identifier, names), described, strict=True):
            if column.type_code in _BYTES:
                raise refused_bytes(column.name)
            columns.append(f"{name}::text AS {name}" if column.type_code == _BOOLEAN else name)
        chosen, renamed = ", ".join(columns), self._names(names)
        if parameters:
            chosen, renamed = chosen.replace("%", "%%"), renamed.replace("%", "%%")
        query = f"SELECT {chosen} FROM ({sql}\n) AS rows ({renamed})" if names else sql
        copy_rows = f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)"
        with opened(path, "wb", form) as file, cursor.copy(copy_rows, parameters or None) as copy:
            for block in copy:
                file.write(block)
        return names, int(cursor.rowcount)

    def _streamed(self, sql: str, parameters: Parameters) -> Result:
        cursor = self.connection.cursor()
        rows = cursor.stream(sql, parameters or None, size=FETCH if psycopg.capabilities.has_stream_chunked() else 1)
        first = next(rows, None)
        if first is None:  # then the stream does not know the columns
            cursor.execute(f"SELECT * FROM ({sql}\n) AS rows LIMIT 0", parameters or None)
        return _result(cursor.description, _rest(first, rows))

    def _copy(self, table: str, columns: Sequence[str], source: Source) -> int:
        """Copies a CSV file that has all the columns as it is; other rows one by one."""
        names, cursor = self._names(columns), self.connection.cursor()
        if isinstance(source, CsvFile) and source.columns == source.header:
            options = f"FORMAT csv, FORCE_NULL ({names}), ENCODING 'UTF8'"
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN ({options})") as copy:
                for block in source.blocks():
                    if _END_MARK.search(block):
                        raise Fault(f"`{source.path}` has a line `\\.`, at which PostgreSQL stops: put it in quotes")
                    copy.write(block)
        else:
            converters = self._converters(table, names)
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in _converted(source.rows(), converters):
                    copy.write_row(row)
        return int(cursor.rowcount)

    def _converters(self, table: str, names: str) -> list[Callable[[Any], Any]]:
        """What makes a value of JSON one of each column: JSON again, an array of a list, else itself."""
        cursor = self.connection.execute(f"SELECT {names} FROM {table} LIMIT 0")
        types = [column.type_code for column in cursor.description]
        query = "SELECT oid FROM pg_type WHERE typcategory = 'A' AND oid = ANY (%s)"
        arrays = {oid for (oid,) in self.connection.execute(query, [types])}
        return [json_text if type_ in _JSON else array_text if type_ in arrays else flat for type_ in types]

    def _place(self, found: re.Match[str]) -> str:
        """Where in the file the line is which a COPY tells of; what goes to the server is not the file."""
        number, source = int(found[1]), self.loading
        if source is None:
            return found[0]
        if isinstance(source, CsvFile) and source.columns == source.header:
            return f"line {source.line_of(number)}"
        return source.place(number)

    def _names(self, names: Sequence[str]) -> str:
        return ", ".join(map(self.identifier, names))

    def text_literal(self, value: str) -> str:
        """The text in quotes; psycopg knows what a backslash means to this server."""
        return composed.Literal(value).as_string(self.connection)

    def no_values(self, before: str) -> tuple[str, str]:
        """An empty array: PostgreSQL gives it the type of what is compared, as it does with no select."""
        return IN.sub(lambda found: "<> all (" if found["negation"] else "= any (", before), "'{}'"

    def is_refused(self, error: Any) -> bool:
        """Whether the account, the database or an option is wrong, of which there is nothing but the text."""
        return super().is_refused(error) or _REFUSED.search(str(error)) is not None

    def is_timeout(self, error: BaseException) -> bool:
        """Whether the time of a statement or a lock was over; pipectl itself cancels nothing without going too."""
        return isinstance(error, (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable))

    def message(self, error: BaseException) -> str:
        """What the server says, with what it adds about the values."""
        if not isinstance(error, psycopg.Error) or not error.diag.message_primary:
            is_past_python = isinstance(error, psycopg.DataError) and _PAST_PYTHON.match(str(error))
            return f"{error}: cast it to text, as in `column::text`" if is_past_python else str(error)
        detail, context = error.diag.message_detail, error.diag.context
        copied = _LINE.sub(self._place, context) if context and _LINE.match(context) else None
        return ": ".join(part for part in (error.diag.message_primary, detail, copied) if part)


def _result(description: Sequence[psycopg.Column], rows: Iterable[Sequence[Any]]) -> Result:
    return Result([column.name for column in description], rows, types=list(map(_type, description)))


def _type(column: psycopg.Column) -> str:
    if column.type_code == _NUMERIC:
        return "decimal" if column.precision is None else f"decimal({column.precision}, {column.scale})"
    return _TYPES.get(column.type_code, "text")


def _is_query(sql: str) -> bool:
    """Whether the statement gives rows and nothing else; one of which that is not sure counts as none."""
    return _STREAMED.match(sql) is not None and _CHANGES.search(sql) is None


def _converted(rows: Iterator[Sequence[Any]], converters: Sequence[Callable[[Any], Any]]) -> Iterator[Sequence[Any]]:
    is_plain = all(convert is flat for convert in converters)
    for row in rows:
        if is_plain and _NESTED.isdisjoint(map(type, row)):
            yield row
        else:
            yield [convert(value) for convert, value in zip(converters, row, strict=True)]


def _rest(first: Sequence[Any] | None, rows: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """All rows, each when it is known what follows: who has the last one need not cancel the stream."""
    if first is not None:
        for row in rows:
            yield first
            first = row
        yield first


def _tell(notice: psycopg.errors.Diagnostic) -> None:
    print(f"{notice.severity}: {notice.message_primary}", flush=True)
