"""What a pipeline needs of pipectl's optional parts: drivers of databases, and what reads Parquet.

Each is only looked for, not imported: the runner itself uses none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from pipectl.model import Connection, Pipeline, Task
from pipectl.spec.words import did_you_mean

_DRIVERS = {
    "postgresql": ("psycopg", "postgres"),
    "mysql": ("pymysql", "mysql"),
    "mariadb": ("pymysql", "mysql"),
    "duckdb": ("duckdb", "duckdb"),
}
_NAMED_DRIVERS = ("psycopg", "pymysql", "duckdb")
_OWN = frozenset({"sqlite", "mssql", "oracle", *_DRIVERS})  # dialects that SQLAlchemy or an extra brings


def missing(pipeline: Pipeline) -> Iterator[tuple[Connection | Task, str, str]]:
    """What is not installed: who needs it (a connection that an SQL task uses, or a task), a message and its hint."""
    tasks = [task for task in pipeline.tasks.values() if task.type == "sql"]
    for name in dict.fromkeys(task.body["connection"] for task in tasks):
        connection = pipeline.connections[name]
        if found := _missing_driver(connection):
            yield connection, *found
    for task in tasks:
        file = task.body.get("save") or task.body.get("load", {}).get("file", "")
        if file.endswith(".parquet") and not find_spec("pyarrow"):
            message = f"task `{task.name}`: pyarrow, which reads and writes Parquet, is not installed"
            yield task, message, _install("parquet")


def _missing_driver(connection: Connection) -> tuple[str, str] | None:
    scheme, found, _ = connection.url.partition("://")
    if not found or "{{" in scheme:
        return None
    dialect, _, driver = scheme.lower().partition("+")
    if dialect in _DRIVERS and driver in ("", *_NAMED_DRIVERS):
        module, extra = _DRIVERS[dialect]
        if find_spec(module):
            return None
        return f"connection `{connection.name}`: the driver of `{dialect}://` is not installed", _install(extra)
    if dialect in _OWN or _is_known(dialect):
        return None
    message = f"connection `{connection.name}`: SQLAlchemy knows no database `{dialect}://`"
    return message, did_you_mean(dialect, _OWN) or "install what adds it to SQLAlchemy"


def _is_known(dialect: str) -> bool:
    from importlib.metadata import entry_points

    return any(entry.name.partition(".")[0] == dialect for entry in entry_points(group="sqlalchemy.dialects"))


def _install(extra: str) -> str:
    return f"pip install 'pipectl[{extra}]'"
