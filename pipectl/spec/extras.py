"""What a pipeline needs of pipectl's optional parts: drivers of databases, and what reads Parquet.

Each is only looked for, not imported: the runner itself uses none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from pipectl.model import Connection, Pipeline, Task
from pipectl.spec.words import did_you_mean
from pipectl.spec.world import within, work

_DRIVERS = {
    "psycopg": ("psycopg", "'pipectl[postgres]'"),
    "psycopg2": ("psycopg2", "psycopg2-binary"),
    "pg8000": ("pg8000", "pg8000"),
    "pymysql": ("pymysql", "'pipectl[mysql]'"),
    "mysqldb": ("MySQLdb", "mysqlclient"),
    "mysqlconnector": ("mysql", "mysql-connector-python"),
    "mariadbconnector": ("mariadb", "mariadb"),
    "duckdb": ("duckdb", "'pipectl[duckdb]'"),
    "pyodbc": ("pyodbc", "pyodbc"),
    "pymssql": ("pymssql", "pymssql"),
    "mssqlpython": ("mssql_python", "mssql-python"),
    "oracledb": ("oracledb", "oracledb"),
    "cx_oracle": ("cx_Oracle", "cx_Oracle"),
}
"""The drivers of databases by their names in a URL: the module that is imported, and what pip installs for it."""

_DEFAULT_DRIVERS = {
    "postgresql": "psycopg",
    "mysql": "pymysql",
    "mariadb": "pymysql",
    "duckdb": "duckdb",
    "mssql": "pyodbc",
    "oracle": "oracledb",
}
_OWN = frozenset({"sqlite", *_DEFAULT_DRIVERS})  # dialects that SQLAlchemy or an extra brings


def missing(pipeline: Pipeline) -> Iterator[tuple[Connection | Task, str, str]]:
    """What is not installed: who needs it (a connection that an SQL task uses, or a task), a message and its hint."""
    bodies = [(task, body) for task, _ in within(pipeline.tasks) for kind, body in [work(task)] if kind == "sql"]
    for name in dict.fromkeys(body["connection"] for _, body in bodies):
        connection = pipeline.connections[name]
        if found := _missing_driver(connection):
            yield connection, *found
    for task, body in bodies:
        file = body.get("save") or body.get("load", {}).get("file", "")
        if file.endswith(".parquet") and not find_spec("pyarrow"):
            message = f"task `{task.name}`: pyarrow, which reads and writes Parquet, is not installed"
            yield task, message, _install("'pipectl[parquet]'")


def _missing_driver(connection: Connection) -> tuple[str, str] | None:
    scheme, found, _ = connection.url.partition("://")
    if not found or "{{" in scheme:
        return None
    dialect, _, driver = scheme.lower().partition("+")
    driver = driver or _DEFAULT_DRIVERS.get(dialect, "")
    if dialect in _DEFAULT_DRIVERS and driver in _DRIVERS:
        module, package = _DRIVERS[driver]
        if find_spec(module):
            return None
        return f"connection `{connection.name}`: the driver of `{scheme}://` is not installed", _install(package)
    if dialect in _OWN or _is_known(dialect):
        return None
    message = f"connection `{connection.name}`: SQLAlchemy knows no database `{dialect}://`"
    return message, did_you_mean(dialect, _OWN) or "install what adds it to SQLAlchemy"


def _is_known(dialect: str) -> bool:
    from importlib.metadata import entry_points

    return any(entry.name.partition(".")[0] == dialect for entry in entry_points(group="sqlalchemy.dialects"))


def _install(package: str) -> str:
    return f"pip install {package}"
