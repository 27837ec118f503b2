"""DuckDB: a file that one process uses at a time, with readers and writers of its own."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import duckdb
from sqlalchemy.engine import URL

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.binding import Parameters
from pipectl.tasks.sql.databases.base import FETCH, Database, Result, Surroundings, Target
from pipectl.tasks.sql.formats import Format
from pipectl.tasks.sql.own_state import refuse_own_state, refuse_own_state_in
from pipectl.tasks.sql.readers import CsvFile, Source
from pipectl.tasks.sql.results import unique
from pipectl.tasks.sql.writers import refused_bytes

T = TypeVar("T")

_STAGE = "pipectl_stage"
_WRITER = {
    "csv": "FORMAT csv, HEADER",
    "json": "FORMAT json, ARRAY true",
    "jsonl": "FORMAT json, ARRAY false",
    "parquet": "FORMAT parquet",
}
_NESTED_NUMBERS = re.compile(r"(?:STRUCT|MAP|UNION)\(.*(?:DECIMAL|DOUBLE|FLOAT)|(?:DECIMAL\(.*\)|DOUBLE|FLOAT)\[")
_CSV_ERROR = re.compile(
    r"CSV Error on Line: (\d+)\n.*?^((?:Error when|Expected|Value with|Maximum)[^\n]*)", re.M | re.S
)

_ATTACH = re.compile(r"\battach\b", re.IGNORECASE)
_WILD = re.compile(r"([*?\[])")  # what DuckDB takes for a pattern, and not when it stands in brackets
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

    def is_in_transaction(self) -> bool:
        """Whether a transaction was begun and did not end: then DuckDB begins no other."""
        try:
            self.connection.begin()
        except duckdb.TransactionException:
            return True
        self.connection.rollback()
        return False

    def execute(self, sql: str, parameters: Parameters = (), most: int | None = None) -> Result:
        """Runs a statement. Raises Fault where it opens pipectl's own state."""
        refuse_own_state_in(sql, parameters, self.surroundings.state_file)
        expected = {kind for one in self.connection.extract_statements(sql) for kind in one.expected_result_type}
        self._interruptible(lambda: self.connection.execute(sql, parameters or None))
        if _ATTACH.search(sql):
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
        while rows := self._interruptible(lambda: self.connection.fetchmany(FETCH)):
            yield from rows

    def load(self, target: Target, source: Source) -> int:
        """Has DuckDB read the file; with a key, by way of a table beside, whose last row of a key counts."""
        self.loading = source
        names = self._names(target.columns)
        path = _WILD.sub(r"[\1]", source.path)
        rows = f"SELECT {self._names(source.columns)} FROM {_reader(source, self._types(target, source))}"
        if not target.key:
            return self.execute(f"INSERT INTO {target.table} ({names}) {rows}", [path]).count
        self.execute(
            f"CREATE TEMP TABLE {_STAGE} AS "
            f"SELECT t.*, row_number() OVER () AS pipectl_line FROM ({rows}) AS t ({names})",
            [path],
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
        """Has DuckDB write the file, row by row as they come, which holds few of them.

        It does not where names differ only in case, or numbers within lists and mappings may be no JSON.
        """
        if self.connection.extract_statements(sql)[0].type != duckdb.StatementType.SELECT:
            return None
        described = [(str(name), str(kind)) for name, kind, *_ in self.execute(f"DESCRIBE ({sql}\n)", parameters)]
        names, kinds = unique([name for name, _ in described]), [kind for _, kind in described]
        if form.kind != "parquet":
            for name, kind in zip(names, kinds, strict=True):
                if "BLOB" in kind:
                    raise refused_bytes(name)
        is_json = form.kind.startswith("json")
        if len({name.casefold() for name in names}) < len(names) or (
            is_json and any(map(_NESTED_NUMBERS.search, kinds))
        ):
            return None
        written = _as_json if is_json else _as_parquet if form.kind == "parquet" else _as_it_is
        columns = [self.identifier(name) for name in names]
        values = ", ".join(f"{written(column, kind)} AS {column}" for column, kind in zip(columns, kinds, strict=True))
        query = f"SELECT {values} FROM ({sql}\n) AS pipectl_rows ({self._names(names)})"
        options = [_WRITER[form.kind], "USE_TMP_FILE false", *(["COMPRESSION gzip"] if form.compressed else [])]
        self.execute("SET preserve_insertion_order = false")  # which counts only where there is no `order by`
        copied = self.execute(f"COPY ({query}) TO {self.literal(path)} ({', '.join(options)})", parameters)
        return names, copied.count

    def _types(self, target: Target, source: Source) -> dict[str, str]:
        """As what a file's columns are read, which all is text but for JSON itself: there a text is in quotes."""
        self.execute(f"SELECT {self._names(target.columns)} FROM {target.table} LIMIT 0")
        kinds = [str(column[1]) for column in self.connection.description]
        is_json = source.form.kind.startswith("json")
        return {
            name: "JSON" if is_json and kind == "JSON" else "VARCHAR"
            for name, kind in zip(source.columns, kinds, strict=True)
        }

    def _names(self, names: Sequence[str]) -> str:
        return ", ".join(map(self.identifier, names))

    def message(self, error: BaseException) -> str:
        """What DuckDB says; of a CSV file the line and the reason, without advice on options of its reader."""
        found = _CSV_ERROR.search(str(error))
        if not found or not isinstance(self.loading, CsvFile):
            return str(error)
        return f"line {self.loading.line_of_record(int(found[1]))}: {found[2]}"

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


def _as_it_is(column: str, kind: str) -> str:
    return column


def _as_json(column: str, kind: str) -> str:
    """What is no number is null, and what a double would change is text, as in `values.to_json`."""
    if kind in ("FLOAT", "DOUBLE"):
        return f"CASE WHEN isfinite({column}) THEN {column} END"
    if not kind.startswith("DECIMAL"):
        return column
    if kind.endswith(",0)"):
        return f"{column}::HUGEINT"
    is_exact = f"TRY_CAST({column}::DOUBLE AS {kind}) = {column}"
    return f"CASE WHEN {is_exact} THEN to_json({column}::DOUBLE) ELSE to_json({column}::VARCHAR) END"


def _as_parquet(column: str, kind: str) -> str:
    """DuckDB's largest whole numbers would be doubles."""
    return f"{column}::DECIMAL(38, 0)" if kind == "HUGEINT" else column


def _reader(source: Source, types: Mapping[str, str]) -> str:
    """The table function that reads the file and nothing else, such as values in the names of folders."""
    if source.form.kind == "parquet":
        return "read_parquet(?, hive_partitioning = false)"
    names = source.header if source.form.kind == "csv" else source.columns
    columns = ", ".join(f"{_quoted(name)}: '{types.get(name, 'VARCHAR')}'" for name in names)
    if source.form.kind == "csv":
        options = "header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"', nullstr = ''"
        return f"read_csv(?, {options}, hive_partitioning = false, buffer_size = 4194304, columns = {{{columns}}})"
    form = "newline_delimited" if source.form.kind == "jsonl" else "array"
    return f"read_json(?, format = '{form}', hive_partitioning = false, columns = {{{columns}}})"


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
