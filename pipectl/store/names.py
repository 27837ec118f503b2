"""Whose a pipeline's name is: one file's of a state, so that no history mixes with another's."""

from __future__ import annotations

from pathlib import Path
from sqlite3 import Connection

from pipectl.errors import UsageError


def check(connection: Connection, name: str, file: str) -> None:
    """Raises UsageError where the name belongs to another file that is still there."""
    row = connection.execute("SELECT file FROM pipelines WHERE name = ?", (name,)).fetchone()
    if row and row[0] != file and Path(row[0]).exists():
        raise UsageError(
            f"the pipeline name `{name}` belongs to `{row[0]}` in this state",
            "give this file another `name:`, or use another state: `--state DIR`",
        )


def claim(connection: Connection, name: str, file: str) -> None:
    """Gives the name to the file. Raises UsageError as `check` does."""
    check(connection, name, file)
    connection.execute("INSERT OR REPLACE INTO pipelines (name, file) VALUES (?, ?)", (name, file))
