"""What successes depended on and left, kept so that the same need not be done again.

The newest few of each instance, since a pipeline may go to and fro between parameters.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

_KEPT = 10


@dataclass(frozen=True, slots=True)
class CacheRow:
    """The success of an instance. `at` is when it was, `output` JSON text; only its maker reads `parts` and `files`.

    Of two with one key the newer one counts.
    """

    instance: str
    key: str
    at: float
    output: str | None
    parts: bytes
    files: bytes


def save(connection: sqlite3.Connection, pipeline: str, run: int, rows: Iterable[CacheRow]) -> None:
    """Keeps the rows, in place of the oldest ones of their instances."""
    for row in rows:
        connection.execute(
            "INSERT OR REPLACE INTO cache (pipeline, instance, key, at, run, output, parts, files)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (pipeline, row.instance, row.key, row.at, run, row.output, row.parts, row.files),
        )
        connection.execute(
            "DELETE FROM cache WHERE pipeline = ?1 AND instance = ?2 AND key NOT IN"
            " (SELECT key FROM cache WHERE pipeline = ?1 AND instance = ?2 ORDER BY at DESC, rowid DESC LIMIT ?3)",
            (pipeline, row.instance, _KEPT),
        )


def find(connection: sqlite3.Connection, pipeline: str, instance: str, key: str) -> CacheRow | None:
    """The success of this very key; where there is none, the newest of the instance; None where it has none."""
    found = connection.execute(
        "SELECT instance, key, at, output, parts, files FROM cache WHERE pipeline = ? AND instance = ?"
        " ORDER BY key = ? DESC, at DESC, rowid DESC LIMIT 1",
        (pipeline, instance, key),
    ).fetchone()
    return CacheRow(*found) if found else None


def of_run(connection: sqlite3.Connection, run: int) -> list[CacheRow]:
    """The successes of a run that are still the newest of their keys."""
    rows = connection.execute("SELECT instance, key, at, output, parts, files FROM cache WHERE run = ?", (run,))
    return [CacheRow(*row) for row in rows]
