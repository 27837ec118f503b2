"""Runs the statements of an SQL task, or loads its file, in a worker."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

from pipectl.sql_text import Statement, objection, quoted, statements
from pipectl.tasks.own import Fault, cleaning
from pipectl.tasks.part_file import part_of
from pipectl.tasks.sql import once, readers
from pipectl.tasks.sql.binding import Parameters, Value, bind, described
from pipectl.tasks.sql.databases import database as database_at
from pipectl.tasks.sql.databases.base import Database, Surroundings
from pipectl.tasks.sql.faults import telling
from pipectl.tasks.sql.formats import format_of, opened
from pipectl.tasks.sql.load import Job, Loader
from pipectl.tasks.sql.own_state import refuse_own_state
from pipectl.tasks.sql.results import fetched, unique
from pipectl.tasks.sql.writers import Rows, write

Bound = tuple[Statement[Value], str, Parameters]

_READING = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:select|values|with|explain)\b", re.IGNORECASE | re.DOTALL)
_CHANGE = re.compile(r"\b(?:insert|update|delete|replace|merge)\b", re.IGNORECASE)


def query(
    *,
    address: Mapping[str, Any],
    surroundings: Mapping[str, Any],
    key: str | None,
    parts: Sequence[str | Value],
    fetch: str | None,
    max_rows: int | None,
    save: str | None,
    transaction: bool,
) -> Any:
    """The output of a task with statements. Raises Fault where there is none.

    What `save` wrote takes its place after the commit, so that it never holds rows that were rolled back; with a key
    before it, since what was committed under a key is not done again: its file must be there.
    """
    around = Surroundings(**surroundings)
    _check_target(save, around)
    with cleaning(), _connected(address, around, transaction=transaction) as database, ExitStack() as late:
        before, rest = _bound(parts, database, transaction=transaction, is_once=key is not None)
        for one in before:
            _run(database, one, "none", None)

        def run() -> Any:
            for one in rest:
                if one is not rest[-1]:
                    output = _run(database, one, "none", None)
                elif save is None:
                    output = _run(database, one, fetch, max_rows)
                else:
                    with ExitStack() as now:
                        part = (late if key is None else now).enter_context(part_of(save))
                        output = _save(database, one, save, part)
                if key is not None and not database.is_held():
                    raise Fault(f"{described(one[0])}: it ended the transaction, without which `once` cannot note it")
            return output

        if transaction:
            return once.in_transaction(database, key, run, writes=any(_writes(sql) for _, sql, _ in rest))
        if key is not None:
            raise Fault("`once` needs the transaction that `transaction: false` does without")
        output = run()
        if database.is_in_transaction():
            raise Fault("the statements leave a transaction open, and nothing of it is kept: end it with `commit`")
        return output


def load(
    *, address: Mapping[str, Any], surroundings: Mapping[str, Any], key: str | None, job: Mapping[str, Any]
) -> Any:
    """The output of a task that loads a file: how many rows it had. Raises Fault where that cannot be."""
    around = Surroundings(**surroundings)
    source = readers.source(job["file"], job.get("columns"))
    asked = Job(**{name: value for name, value in job.items() if name not in ("file", "columns")})
    with cleaning(), _connected(address, around, transaction=True) as database:
        loader = Loader(database, source, asked)
        return once.in_transaction(database, key, loader.run, writes=True)


@contextmanager
def _connected(address: Mapping[str, Any], around: Surroundings, *, transaction: bool) -> Iterator[Database]:
    database, name = database_at(address, around), f"connection `{around.connection}`"
    try:
        with telling(database, name, is_connecting=True):
            database.connect(transaction=transaction)
    except (TypeError, ValueError, LookupError, AttributeError) as error:  # so drivers refuse options
        raise Fault(f"{name}: an option of its URL is not understood: {error}") from None
    try:
        yield database
    except KeyboardInterrupt:
        database.interrupt()
        raise
    finally:
        with suppress(Exception):
            database.close()


def _check_target(save: str | None, around: Surroundings) -> None:
    if save is not None:
        refuse_own_state(save, around.state_file)
        format_of(save)


def _bound(
    parts: Sequence[str | Value], database: Database, *, transaction: bool, is_once: bool
) -> tuple[Sequence[Bound], Sequence[Bound]]:
    """The statements: those that go before the transaction, and the others, of which there is at least one."""
    if quoted([part if isinstance(part, str) else None for part in parts], database.dialect):
        raise Fault("an expression stands within quotes or a comment, where no value can be bound")
    found = statements(parts, database.dialect)
    if not found:
        raise Fault("the SQL holds no statement")
    for one in found:
        if wrong := objection(one, database.dialect, transaction=transaction, once=is_once):
            raise Fault(f"{described(one)}: {wrong[0]}: {wrong[1]}")
    first = 0
    while transaction and first < len(found) - 1 and database.unheld.intersection(found[first].words[:1]):
        first += 1
    bound = [(one, *bind(one, database)) for one in found]
    return bound[:first], bound[first:]


def _writes(sql: str) -> bool:
    """Whether the statement may write; what only seems so costs a lock."""
    return not _READING.match(sql) or bool(_CHANGE.search(sql))


def _run(database: Database, one: Bound, fetch: str | None, max_rows: int | None) -> Any:
    statement, sql, parameters = one
    started = time.monotonic()
    with telling(database, described(statement)):
        most = 1 if fetch in ("one", "scalar") else max_rows
        result = database.execute(sql, parameters, most)
        with closing(result):
            output = fetched(result, fetch, most)
    _log(statement, result.count, started)
    return output


def _save(database: Database, one: Bound, path: str, part: str) -> dict[str, Any]:
    statement, sql, parameters = one
    form, started = format_of(path), time.monotonic()
    with telling(database, described(statement)):
        saved = database.save(sql, parameters, part, form)
        if saved is None:
            result = database.execute(sql, parameters)
            if not result.columns:
                raise Fault(f"{described(statement)} gives no rows to `save`")
            names = unique(result.columns)
            with closing(result), opened(part, "wb", form) as file:
                write(form.kind, file, Rows(names, result.types, iter(result)))
            saved = names, result.count
    names, count = saved
    _log(statement, count, started)
    return {"columns": names, "rowcount": count, "path": path}


def _log(statement: Statement[Value], count: int, started: float) -> None:
    print(f"{described(statement)}: {count} rows, {time.monotonic() - started:.3f}s", flush=True)
