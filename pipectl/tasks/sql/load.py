"""A file into a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.binding import Value, compose, plain
from pipectl.tasks.sql.databases.base import Database, Target
from pipectl.tasks.sql.faults import telling
from pipectl.tasks.sql.readers import Source


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked for; names are as they were written. `mode` is append, replace or upsert."""

    table: str
    mode: str
    key: Sequence[str] = ()
    where: Mapping[str, Any] | None = None
    create: bool = False


class Loader:
    """Loads the file. What can be wrong before anything is changed is found when it is made. Raises Fault."""

    def __init__(self, database: Database, source: Source, job: Job) -> None:
        self._database = database
        self._source = source
        self._job = job
        self._where = f"table `{job.table}`"
        path = _path(job.table)
        self._table = ".".join(map(database.identifier, path))
        with telling(database, self._where):
            known = self._columns_of_table()
        if known is None and not source.columns:
            raise Fault(f"`{source.path}` has no columns, of which a table could be made")
        self._kinds = source.kinds() if known is None else {}
        self._known = source.columns if known is None else known
        columns = tuple(self._match(name, f"`{source.path}`") for name in source.columns)
        key = tuple(self._match(name, "`key`") for name in job.key)
        if columns and (lost := [name for name in key if name not in columns]):
            raise Fault(f"the key `{lost[0]}` is no column of `{source.path}`")
        self._replaced = {self._match(name, "`where`"): value for name, value in (job.where or {}).items()}
        self._target = Target(self._table, columns, key if job.mode == "upsert" else (), tuple(path))

    def run(self) -> dict[str, Any]:
        """Loads it, within a transaction; gives the number of rows."""
        with telling(self._database, self._where):
            if self._kinds:
                self._create()
            if self._job.mode == "replace":
                self._delete()
            count = self._database.load(self._target, self._source) if self._target.columns else 0
        print(f"{count} rows of `{self._source.path}` into {self._job.table}", flush=True)
        return {"rowcount": count}

    def _columns_of_table(self) -> list[str] | None:
        """None where there is no table, and it is to be made."""
        try:
            result = self._database.execute(f"SELECT * FROM {self._table} WHERE 1 = 0")
            result.drain()
        except self._database.driver.Error:
            if self._job.create:
                return None
            raise
        return list(result.columns)

    def _match(self, name: str, by: str) -> str:
        """The column of the table that is called so, in other letters if need be."""
        if name in self._known:
            return name
        alike = [column for column in self._known if column.casefold() == name.casefold()]
        if len(alike) != 1:
            raise Fault(f"{self._where} has no column `{name}`, which {by} names")
        return alike[0]

    def _create(self) -> None:
        types, key = self._database.types, self._target.key
        columns = []
        for name in self._source.columns:
            kind = self._kinds.get(name, "text")
            columns.append(
                f"{self._database.identifier(name)} {types['key' if name in key and kind == 'text' else kind]}"
            )
        if key:
            columns.append(f"PRIMARY KEY ({', '.join(map(self._database.identifier, key))})")
        self._database.execute(f"CREATE TABLE IF NOT EXISTS {self._table} ({', '.join(columns)})")

    def _delete(self) -> None:
        parts: list[str | Value] = [f"DELETE FROM {self._table}"]
        before = " WHERE "
        for name, value in self._replaced.items():
            column = f"{before}{self._database.identifier(name)}"
            if value is None:
                parts.append(f"{column} IS NULL")
            elif isinstance(value, list):
                parts += (f"{column} IN (", {"value": value, "filter": ""}, ")")
            else:
                parts += (f"{column} = ", {"value": plain(value), "filter": ""})
            before = " AND "
        self._database.execute(*compose(_joined(parts), self._database))


def _joined(parts: Iterable[str | Value]) -> list[str | Value]:
    """The parts with texts that follow each other as one."""
    found: list[str | Value] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        else:
            found.append(part)
    return found


def _path(table: str) -> list[str]:
    """The schema, if there is one, and the name. A point within double quotes belongs to a name."""
    names, quoted = [""], False
    for character in table:
        if character == '"':
            quoted = not quoted
        elif character == "." and not quoted:
            names.append("")
        else:
            names[-1] += character
    if not all(names) or quoted or "\0" in table:
        raise Fault(f"`{table}` is no name of a table")
    return names
