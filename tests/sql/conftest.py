"""What tests of SQL tasks share: four databases, two of them servers that run for the tests alone."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pipectl import connections, model
from pipectl.tasks.sql import work
from pipectl.template import Computed, Renderer
from tests.sql import servers

ALL = ("sqlite", "duckdb", "postgresql", "mysql")
_numbers = itertools.count()


class Base:
    """One database, empty at first, used as a task would use it."""

    def __init__(self, dialect: str, url: str, folder: Path) -> None:
        self.dialect = dialect
        self.url = url
        self.folder = folder
        self._renderer = Renderer(str(folder))

    def query(self, text: str, /, *, folder: Path | None = None, **given: Any) -> Any:
        """The output of a task with these statements; what is no option of it is a value of its expressions."""
        options = {"fetch": None, "max_rows": None, "save": None, "transaction": True, "key": None}
        options |= {name: given.pop(name) for name in tuple(given) if name in options}
        options["save"] = options["save"] and str(self.folder / options["save"])
        parts = [text]
        if given.pop("render", True):
            computed = self._renderer.parts(text, given, ("identifier", "literal"))
            parts = [asdict(part) if isinstance(part, Computed) else part for part in computed]
        return work.query(**self.at(), parts=json.loads(json.dumps(parts)), **options)

    def load(self, file: str, table: str = "t", *, key: str | None = None, **job: Any) -> Any:
        """The output of a task that loads a file. `by` is the key of an upsert."""
        if "by" in job:
            job["key"] = job.pop("by")
        return work.load(
            **self.at(), key=key, job={"file": str(self.folder / file), "table": table, "mode": "append", **job}
        )

    def rows(self, text: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return [tuple(row.values()) for row in self.query(text, **values)["rows"]]

    def value(self, text: str, /, **values: Any) -> Any:
        """The first value of a query."""
        return self.query(text, fetch="scalar", **values)

    def at(self, timeout: float | None = None) -> dict[str, Any]:
        connection = connections.render(model.Connection(name="db", url=self.url), self._renderer, {})
        around = {
            "connection": "db",
            "folder": str(self.folder),
            "timeout": timeout,
            "state_file": str(self.folder / ".pipectl" / "state.db"),
        }
        return {"address": asdict(connection.address), "surroundings": around}


def _served(start: Callable[[], AbstractContextManager[servers.Server]]) -> Iterator[servers.Server]:
    try:
        with start() as server:
            yield server
    except servers.Unavailable as reason:
        if os.environ.get("CI"):
            pytest.fail(str(reason))
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[servers.Server]:
    yield from _served(servers.postgresql)


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[servers.Server]:
    yield from _served(servers.mariadb)


def _made(dialect: str, request: pytest.FixtureRequest, folder: Path) -> Base:
    if dialect in ("sqlite", "duckdb"):
        return Base(dialect, f"{dialect}:///test.{dialect}", folder)
    server: servers.Server = request.getfixturevalue(f"{dialect}_server")
    name = f"test{next(_numbers)}"
    root = f"{dialect}://{servers.USER}:{quote(servers.PASSWORD, safe='')}@{server.host}:{server.port}"
    home = "postgres" if dialect == "postgresql" else "mysql"
    Base(dialect, f"{root}/{home}", folder).query(f"create database {name}", transaction=False)
    return Base(dialect, f"{root}/{name}", folder)


@pytest.fixture(params=ALL)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    """Each of the databases."""
    return _made(request.param, request, tmp_path)


@pytest.fixture
def sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    return _made("sqlite", request, tmp_path)


@pytest.fixture
def duckdb(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    return _made("duckdb", request, tmp_path)


@pytest.fixture
def postgresql(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    return _made("postgresql", request, tmp_path)


@pytest.fixture
def mysql(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    return _made("mysql", request, tmp_path)
