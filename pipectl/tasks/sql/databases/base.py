"""What is the same for all databases: a connection of a Python driver, found and described by an SQLAlchemy dialect."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import Dialect

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.batches import batches
from pipectl.tasks.sql.binding import Parameters, compose
from pipectl.tasks.sql.formats import Format
from pipectl.tasks.sql.values import flat

if TYPE_CHECKING:
    from pipectl.tasks.sql.readers import Source

FETCH = 16
"""How many rows are fetched at once: few, since nobody knows their size before."""

_WORDS = {"true": 1, "false": 0}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Of an attempt: its connection's name, the pipeline's folder, its time limit in seconds, what is no target."""

    connection: str
    folder: str
    timeout: float | None
    state_file: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows go: a table, quoted, and columns of it. With a key, rows that are there by it are updated.

    `path` is the table's name, and before it that of its schema, if that was given, as they are without quotes.
    """

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...] = ()
    path: tuple[str, ...] = ()


class Result:
    """What a statement gave: its columns, empty where it gives no rows, and the rows as they come.

    `count` is the number of rows that it affected, or that were taken so far. `types` is empty, or says of each column
    what the database knows of it: a key of `Database.types`, `instant` (a time with its zone), `time`,
    `decimal(precision, scale)`, `decimal`, or nothing.
    """

    def __init__(
        self,
        columns: Sequence[str] = (),
        rows: Iterable[Sequence[Any]] = (),
        count: int = 0,
        types: Sequence[str] = (),
    ) -> None:
        self.columns = tuple(columns)
        self.types = tuple(types)
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
        """Lets go of what was not read: nothing waits for the rest."""
        if isinstance(self._rows, Generator):
            self._rows.close()


_TYPES = {
    "integer": "BIGINT",
    "number": "DOUBLE PRECISION",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "bytes": "BLOB",
    "text": "TEXT",
    "key": "VARCHAR(255)",
}


class Database:
    """A connection in the driver's own way. Errors of the driver come as they are; see `faults`.

    Subclasses know a database better. Without a commit nothing of a transaction lasts. `unheld` are first words of
    statements that have no effect, or are refused, within a transaction, and may go before it.
    """

    dialect: ClassVar[str] = ""
    quote: ClassVar[str] = '"'
    types: dict[str, str] = _TYPES
    unheld: ClassVar[frozenset[str]] = frozenset()
    nothing: ClassVar[str] = "SELECT NULL WHERE 1 = 0"
    loading: Source | None = None  # the file, of which an error may tell

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

    def is_held(self) -> bool:
        """Whether the transaction that was begun goes on; where a statement can end it unseen."""
        return True

    def is_in_transaction(self) -> bool:
        """Whether statements, run each for itself, began a transaction and did not end it."""
        return False

    def execute(self, sql: str, parameters: Parameters = (), most: int | None = None) -> Result:
        """Runs a statement. Its rows must be read, at most `most` of them, or it closed, before the next one."""
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
        if source.form.kind == "csv":
            rows = _with_booleans(source.rows(), self.booleans(target))
        else:
            rows = self.fitted(source.rows())
        return self.insert(sql, keyed(rows, target, source) if target.key else rows, source)

    def insert(self, sql: str, rows: Iterator[Sequence[Any]], source: Source) -> int:
        """Runs an insert for each of the rows, which are those of the file, and gives their number."""
        cursor, count = self.connection.cursor(), 0
        for batch in batches(rows):
            cursor.executemany(sql, batch)
            count += len(batch)
        return count

    def fitted(self, rows: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """The rows of a file that is no CSV, with their values as the driver takes them."""
        for row in rows:
            yield list(map(flat, row))

    def booleans(self, target: Target) -> Sequence[int]:
        """The places of the columns that hold true and false as numbers, and would not take the words for them."""
        return ()

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

    def no_values(self, before: str) -> tuple[str, str]:
        """What a text that ends in `in (` becomes, and what follows it in place of values, that no row is found."""
        return before, self.nothing

    def is_refused(self, error: Any) -> bool:
        """Whether the error of a connection would come again: of an account, a database or an option that is wrong."""
        return not isinstance(error, self.driver.OperationalError)

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


def keyed(rows: Iterator[Sequence[Any]], target: Target, source: Source) -> Iterator[Sequence[Any]]:
    """The rows. Raises Fault for one without its key: it could be found by none."""
    places = [target.columns.index(name) for name in target.key]
    for number, row in enumerate(rows, 1):
        if any(row[place] is None for place in places):
            raise Fault(f"{source.place(number)} has no `{', '.join(target.key)}`, by which it would be known")
        yield row


def _with_booleans(rows: Iterator[Sequence[Any]], places: Sequence[int]) -> Iterator[Sequence[Any]]:
    if not places:
        return rows
    return (_replaced(list(row), places) for row in rows)


def _replaced(row: list[Any], places: Sequence[int]) -> list[Any]:
    for place in places:
        value = row[place]
        row[place] = _WORDS.get(value.lower(), value) if value else value
    return row


def _fetched(cursor: Any) -> Iterator[Sequence[Any]]:
    with closing(cursor):
        while rows := cursor.fetchmany(FETCH):
            yield from rows
