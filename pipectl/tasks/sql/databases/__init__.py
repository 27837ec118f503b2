"""The databases, each with what only it has."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.databases.base import Database, Surroundings

_CLASSES: Mapping[str, tuple[str, str, str]] = {
    "sqlite": ("sqlite", "SQLite", ""),
    "postgresql": ("postgresql", "PostgreSQL", "postgres"),
    "duckdb": ("duckdb", "DuckDB", "duckdb"),
    "mysql": ("mysql", "MySQL", "mysql"),
    "mariadb": ("mysql", "MySQL", "mysql"),
}
_DRIVERS: Mapping[str, str] = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}


def database(address: Mapping[str, Any], surroundings: Surroundings) -> Database:
    """The database at the address, not yet connected. Raises Fault where no driver is there for it."""
    scheme = str(address["scheme"]).lower()
    url = URL.create(
        _DRIVERS.get(scheme, scheme),
        address["user"],
        address["password"],
        address["host"],
        address["port"],
        address["database"],
        _query(address["query"]),
    )
    module, name, extra = _CLASSES.get(url.get_backend_name(), ("base", "Database", ""))
    if extra and url.drivername not in (*_DRIVERS.values(), "duckdb"):
        module, name = "base", "Database"
    try:
        found: type[Database] = getattr(import_module(f"pipectl.tasks.sql.databases.{module}"), name)
        return found(url, surroundings)
    except ModuleNotFoundError as error:
        is_ours = url.drivername in (*_DRIVERS.values(), "duckdb")
        hint = f"`pip install 'pipectl[{extra}]'`" if is_ours else f"write `{url.get_backend_name()}://`"
        message = f"`{scheme}://` needs the module `{error.name}`, which is not installed"
        raise Fault(f"{message}: {hint}" if extra else message) from None
    except (NoSuchModuleError, ArgumentError):
        raise Fault(f"there is no database driver for `{scheme}://`") from None


def _query(pairs: list[list[str]]) -> dict[str, tuple[str, ...] | str]:
    query: dict[str, list[str]] = {}
    for name, value in pairs:
        query.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else tuple(values) for name, values in query.items()}
