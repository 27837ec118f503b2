"""What is the same for all databases: a connection of a Python driver, found and described by an SQLAlchemy dialect."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import Dialect

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.binding import Parameters, compose
from pipectl.tasks.sql.formats import Format

if TYPE_CHECKING:
    from pipectl.tasks.sql.readers import Source

T = TypeVar("T")

BATCH = 5000
"""How many rows are fetched and inserted at once."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Of an attempt: the pipeline's folder, where it runs, its time limit in seconds, and what is no target for it."""

    folder: str
    cwd: str
    timeout: float | None
    state_file: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows go: a table, quoted, and columns of it. With a key, rows that are there by it are updated."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...] = ()


class Result:
    """What a statement gave: its columns, empty where it gives no rows, and the rows as they come.

    `count` is the number of rows that it affected, or that were taken so far.
    """

    def __init__(self, columns: Sequence[str] = (), rows: Iterable[Sequence[Any]] = (), count: int = 0) -> None:
        self.columns = tuple(columns)
        self.count = max(count, 0)
        self._rows = iter(rows)

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for row in self._rows:
            self.count += 1
            yield row

    def drain(self) -> None:
        """Reads what is left of the rows and forgets it: some drivers do nothing else before."""
        for _ in self:
            pass

    def close(self) -> None:
        """Lets go of what was not read."""
        if isinstance(self._rows, Generator):
            self._rows.close()


class Database:
    """A connection in the driver's own way. Errors of the driver come as they are; see `faults`.

    Subclasses know a database better. Without a commit nothing of a transaction lasts. `unheld` are first words of
    statements that have no effect, or are refused, within a transaction, and may go before it.
    """

    dialect: ClassVar[str] = ""
    quote: ClassVar[str] = '"'
    types: ClassVar[dict[str, str]] = {
        "integer": "BIGINT",
        "number": "DOUBLE PRECISION",
        "boolean": "BOOLEAN",
        "date": "DATE",
        "timestamp": "TIMESTAMP",
        "bytes": "BLOB",
        "text": "TEXT",
        "key": "VARCHAR(255)",
    }
    unheld: ClassVar[frozenset[str]] = frozenset()
    nothing: ClassVar[str] = "SELECT NULL WHERE 1 = 0"

    def __init__(self, url: URL, surroundings: Surroundings) -> None:
        self.url = url
        self.surroundings = surroundings
        known: Any = url.get_dialect()
        self.driver: Any = known.import_dbapi()
        self._sqlalchemy: Dialect = known(dbapi=self.driver)
        self.style: str = self._sqlalchemy.paramstyle
        self.connection: Any = None

    def connect(self, *, transaction: bool) -> None:
        """Connects; without a transaction each statement stands for itself."""
        arguments, options = self._sqlalchemy.create_connect_args(self.url)
        self.connection = self._sqlalchemy.connect(*arguments, **options)
        if not transaction:
            self._sqlalchemy.set_isolation_level(self.connection, "AUTOCOMMIT")

    def close(self) -> None:
        """Ends the connection, and with it what was not committed."""
        self.connection.close()

    def interrupt(self) -> None:
        """Ends what runs on the server, when the attempt is to end."""

    def begin(self, *, writes: bool) -> None:
        """Begins a transaction."""

    def commit(self) -> None:
        """Makes it last."""
        self.connection.commit()

    def execute(self, sql: str, parameters: Parameters = ()) -> Result:
        """Runs a statement. Its rows must be read, or drained, before the next one."""
        cursor = self.connection.cursor()
        if parameters:
            cursor.execute(sql, parameters)
        else:
            cursor.execute(sql)
        if cursor.description is None:
            return Result(count=cursor.rowcount)
        return Result([column[0] for column in cursor.description], _fetched(cursor))

    def load(self, target: Target, source: Source) -> int:
        """Inserts the rows of the file, and gives their number. Raises Fault for a row without its key."""
        names = ", ".join(map(self.identifier, target.columns))
        values = {"value": [0] * len(target.columns), "filter": ""}
        clause = self.upsert(target) if target.key else ""
        sql, _ = compose([f"INSERT INTO {target.table} ({names}) VALUES (", values, f"){clause}"], self)
        rows = source.rows() if source.form.kind == "csv" else self.fitted(source.rows())
        return self.insert(sql, keyed(rows, target) if target.key else rows)

    def insert(self, sql: str, rows: Iterator[Sequence[Any]]) -> int:
        """Runs an insert for each of the rows, and gives their number."""
        cursor, count = self.connection.cursor(), 0
        for batch in batches(rows):
            cursor.executemany(sql, batch)
            count += len(batch)
        return count

    def fitted(self, rows: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """The rows of a file that is no CSV, with their values as the driver takes them."""
        return rows

    def save(self, sql: str, parameters: Parameters, path: str, form: Format) -> tuple[list[str], int] | None:
        """Writes the rows of a query to a file, and gives their columns and number, where the database can do that."""
        return None

    def identifier(self, name: str) -> str:
        """The name quoted."""
        return f"{self.quote}{name.replace(self.quote, self.quote * 2)}{self.quote}"

    def literal(self, value: Any) -> str:
        """The value as text of a statement. Raises Fault where there is none for it."""
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, str):
            return self.text_literal(value)
        return f" {value!r}"  # the space: a minus before a negative number would make a comment of it

    def text_literal(self, value: str) -> str:
        """The text in quotes."""
        if "\0" in value:
            raise Fault("a literal cannot hold a NUL")
        return "'" + value.replace("'", "''") + "'"

    def parameter(self, value: Any) -> Any:
        """The value as the driver takes it."""
        return value

    def no_values(self, before: str, after: str) -> tuple[str, str]:
        """What a list without values becomes between these texts, with what the text before it becomes."""
        alone = before.rstrip().endswith("(") and after.lstrip().startswith(")")
        return before, self.nothing if alone else "NULL"

    def is_lost(self, error: Any) -> bool:
        """Whether the error says that there is no connection any more."""
        return self._sqlalchemy.is_disconnect(error, self.connection, None)

    def is_timeout(self, error: BaseException) -> bool:
        """Whether the error says that the server's time for a statement or a lock is over."""
        return False

    def message(self, error: BaseException) -> str:
        """What the database says."""
        return str(error)

    def upsert(self, target: Target) -> str:
        """The clause of an insert that makes it update the rows whose key is there."""
        keys = ", ".join(map(self.identifier, target.key))
        others = [self.identifier(name) for name in target.columns if name not in target.key]
        change = f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in others)}" if others else "NOTHING"
        return f" ON CONFLICT ({keys}) DO {change}"


def keyed(rows: Iterator[Sequence[Any]], target: Target) -> Iterator[Sequence[Any]]:
    """The rows. Raises Fault for one without its key: it could be found by none."""
    places = [target.columns.index(name) for name in target.key]
    for number, row in enumerate(rows, 1):
        if any(row[place] is None for place in places):
            raise Fault(f"row {number} has no `{', '.join(target.key)}`, by which it would be known")
        yield row


def batches(rows: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """The rows in lists of at most `size`."""
    source = iter(rows)
    while batch := list(islice(source, size)):
        yield batch


def _fetched(cursor: Any) -> Iterator[Sequence[Any]]:
    while rows := cursor.fetchmany(BATCH):
        yield from rows
