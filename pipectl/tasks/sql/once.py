"""The note that a task's transaction was done, in that same transaction: who finds it does not do it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pipectl.tasks.sql.binding import compose
from pipectl.tasks.sql.databases.base import Database
from pipectl.tasks.sql.faults import telling

_TABLE = "pipectl_done"


def in_transaction(database: Database, key: str | None, work: Callable[[], Any], *, writes: bool) -> Any:
    """What the work gives, done in one transaction; with a key, what it gave when it was first done under that key."""
    where = f"table `{_TABLE}`"
    if key is not None:
        _make_table(database)
    with telling(database, "begin"):
        database.begin(writes=writes or key is not None)
    if key is not None:
        with telling(database, where):
            rows = list(_run(database, "SELECT output FROM pipectl_done WHERE idempotency_key = ", key))
        if rows:
            print("was done by an earlier attempt, and is not done again", flush=True)
            return json.loads(rows[0][0])
    output = work()
    if key is not None:
        with telling(database, where):
            _run(
                database,
                "INSERT INTO pipectl_done (idempotency_key, output) VALUES (",
                key,
                ", ",
                json.dumps(output),
                ")",
            )
    with telling(database, "commit"):
        database.commit()
    return output


def _make_table(database: Database) -> None:
    """Makes the table where it is missing. Of two who do so at once one may be refused: then it is there."""
    missing = _why_unusable(database)
    if missing is None:
        return
    types = database.types
    columns = f"idempotency_key {types['key']} PRIMARY KEY, output {types['text']} NOT NULL"
    statement = f"CREATE TABLE {_TABLE} ({columns})"
    where = f"`once` needs the table `{_TABLE}` ({database.message(missing)}), and cannot make it"
    with telling(database, where, f"have it made by `{statement}`, and the right given to use it"):
        try:
            _run(database, statement)
        except database.driver.Error:
            if _why_unusable(database) is not None:
                raise


def _why_unusable(database: Database) -> Any:
    """The error that comes of reading the table; None where there is none."""
    try:
        _run(database, f"SELECT 1 FROM {_TABLE} WHERE 1 = 0").drain()
    except database.driver.Error as error:
        return error
    return None


def _run(database: Database, *parts: str) -> Any:
    """Runs a statement of text and values by turns."""
    statement = [part if number % 2 == 0 else {"value": part, "filter": ""} for number, part in enumerate(parts)]
    return database.execute(*compose(statement, database))
