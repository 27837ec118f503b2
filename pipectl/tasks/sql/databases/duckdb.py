"""DuckDB: a file that one process uses at a time, with readers and writers of its own."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import duckdb
from sqlalchemy.engine import URL

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.binding import Parameters
from pipectl.tasks.sql.databases.base import BATCH, Database, Result, Surroundings, Target
from pipectl.tasks.sql.formats import Format
from pipectl.tasks.sql.own_state import refuse_own_state
from pipectl.tasks.sql.readers import Source

T = TypeVar("T")

_STAGE = "pipectl_stage"
_WRITER = {
    "csv": "FORMAT csv, HEADER",
    "json": "FORMAT json, ARRAY true",
    "jsonl": "FORMAT json, ARRAY false",
    "parquet": "FORMAT parquet",
}

_LOCKED = "Could not set lock on file"
_PATIENCE = 0.1


class DuckDB(Database):
    """A file. It is waited for as long as another process has it open."""

    dialect = "duckdb"
    types = Database.types | {"number": "DOUBLE", "text": "VARCHAR", "key": "VARCHAR"}

    def __init__(self, url: URL, surroundings: Surroundings) -> None:
        self.url = url
        self.surroundings = surroundings
        self.driver = duckdb
        self.style = "qmark"
        self.connection: Any = None

    def connect(self, *, transaction: bool) -> None:
        """Opens the file, relative to the pipeline's folder; what the URL asks for are settings of DuckDB."""
        path = self.url.database or ":memory:"
        if not path.startswith(":memory:") and ":" not in path.split("/")[0]:
            path = os.path.join(self.surroundings.folder, path)  # noqa: PTH118
            refuse_own_state(path, self.surroundings.state_file)
        settings: dict[str, Any] = {name: str(value) for name, value in self.url.query.items()}
        told = False
        while self.connection is None:
            try:
                self.connection = duckdb.connect(path, config=settings)
            except duckdb.IOException as error:
                if _LOCKED not in str(error):
                    raise
                if not told:
                    print("waiting for the database, which another process has open", flush=True)
                told = True
                time.sleep(_PATIENCE)

    def begin(self, *, writes: bool) -> None:
        """Begins a transaction."""
        self.connection.begin()

    def execute(self, sql: str, parameters: Parameters = ()) -> Result:
        """Runs a statement. Raises Fault where it opened pipectl's own state."""
        expected = {kind for one in self.connection.extract_statements(sql) for kind in one.expected_result_type}
        self._interruptible(lambda: self.connection.execute(sql, parameters or None))
        if re.search(r"\battach\b", sql, re.IGNORECASE):
            for (path,) in (
                self.connection.cursor()
                .execute("select path from duckdb_databases() where path is not null")
                .fetchall()
            ):
                refuse_own_state(path, self.surroundings.state_file)
        columns = self.connection.description or ()
        if expected == {duckdb.ExpectedResultType.NOTHING} or not columns:
            return Result()
        if duckdb.ExpectedResultType.CHANGED_ROWS in expected and [name for name, *_ in columns] == ["Count"]:
            count = self.connection.fetchone()
            return Result(count=count[0] if count else 0)
        return Result([column[0] for column in columns], self._rows())

    def _rows(self) -> Iterator[Sequence[Any]]:
        while rows := self._interruptible(lambda: self.connection.fetchmany(BATCH)):
            yield from rows

    def load(self, target: Target, source: Source) -> int:
        """Has DuckDB read the file; with a key, by way of a table beside, whose last row of a key counts."""
        names = self._names(target.columns)
        rows = f"SELECT {self._names(source.columns)} FROM {_reader(source)}"
        if not target.key:
            return self.execute(f"INSERT INTO {target.table} ({names}) {rows}", [source.path]).count
        self.execute(
            f"CREATE TEMP TABLE {_STAGE} AS "
            f"SELECT t.*, row_number() OVER () AS pipectl_line FROM ({rows}) AS t ({names})",
            [source.path],
        )
        lost = " OR ".join(f"{self.identifier(name)} IS NULL" for name in target.key)
        if list(self.execute(f"SELECT 1 FROM {_STAGE} WHERE {lost} LIMIT 1")):
            raise Fault(f"a row has no `{', '.join(target.key)}`, by which it would be known")
        keys = self._names(target.key)
        last = f"row_number() OVER (PARTITION BY {keys} ORDER BY pipectl_line DESC) = 1"
        rows = f"SELECT {names} FROM {_STAGE} QUALIFY {last}"
        self.execute(f"INSERT INTO {target.table} ({names}) {rows}{self.upsert(target)}")
        count = next(iter(self.execute(f"SELECT count(*) FROM {_STAGE}")))[0]
        self.execute(f"DROP TABLE {_STAGE}")
        return int(count)

    def save(self, sql: str, parameters: Parameters, path: str, form: Format) -> tuple[list[str], int] | None:
        """Has DuckDB write the file, in any of the forms: row by row as they come, which holds few of them."""
        if self.connection.extract_statements(sql)[0].type != duckdb.StatementType.SELECT:
            return None
        names = self.execute(f"SELECT * FROM ({sql}\n) LIMIT 0", parameters).columns
        options = [_WRITER[form.kind], "USE_TMP_FILE false", *(["COMPRESSION gzip"] if form.compressed else [])]
        self.execute("SET preserve_insertion_order = false")  # which counts only where there is no `order by`
        copied = self.execute(f"COPY ({sql}\n) TO {self.literal(path)} ({', '.join(options)})", parameters)
        return list(names), copied.count

    def _names(self, names: Sequence[str]) -> str:
        return ", ".join(map(self.identifier, names))

    def is_lost(self, error: Any) -> bool:
        """Never: there is no server."""
        return False

    def _interruptible(self, action: Callable[[], T]) -> T:
        """What the action gives. DuckDB hears a signal, but goes on until told, and then waits for its threads."""
        try:
            return action()
        except RuntimeError as error:
            if "interrupted" not in str(error):
                raise
            self.connection.interrupt()
            raise KeyboardInterrupt from None


def _reader(source: Source) -> str:
    """The table function that reads the file, all fields being text where the file itself has no types."""
    if source.form.kind == "parquet":
        return "read_parquet(?)"
    names = source.header if source.form.kind == "csv" else source.columns
    columns = ", ".join(f"{_quoted(name)}: 'VARCHAR'" for name in names)
    if source.form.kind == "csv":
        options = "header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"', nullstr = ''"
        return f"read_csv(?, {options}, buffer_size = 4194304, columns = {{{columns}}})"
    form = "newline_delimited" if source.form.kind == "jsonl" else "array"
    return f"read_json(?, format = '{form}', columns = {{{columns}}})"


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
