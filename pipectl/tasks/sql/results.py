"""The output of a statement: what `fetch` asks for, within what an output may hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from typing import Any

from pipectl.model import OUTPUT_LIMIT
from pipectl.tasks.own import Fault
from pipectl.tasks.sql.databases.base import Result
from pipectl.tasks.sql.values import to_json


def fetched(result: Result, fetch: str | None, most: int | None) -> Any:
    """The output, of at most so many rows. Raises Fault as soon as it is over the limit of outputs."""
    if fetch == "none" or (fetch is None and not result.columns):
        result.drain()
        return {"rowcount": result.count}
    if not result.columns and fetch in ("one", "scalar"):
        raise Fault(f"`fetch: {fetch}` needs rows, and the last statement gives none")
    names = unique(result.columns)
    rows = _taken(result, names, most)
    if fetch == "one":
        return rows[0] if rows else None
    if fetch == "scalar":
        return rows[0][names[0]] if rows else None
    return {"columns": names, "rows": rows, "rowcount": len(rows) if names else result.count}


def unique(columns: Sequence[str]) -> list[str]:
    """The names, of which those that are there twice get a number that makes them new: `id`, `id_2`."""
    names: list[str] = []
    for column in columns:
        numbered = (f"{column}_{number}" for number in count(2))
        names.append(next(name for name in numbered if name not in (*columns, *names)) if column in names else column)
    return names


def _taken(result: Result, names: list[str], most: int | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    size = 0
    for row in result:
        rows.append(dict(zip(names, map(to_json, row), strict=True)))
        size += len(json.dumps(rows[-1], ensure_ascii=False, separators=(",", ":")).encode(errors="replace")) + 1
        if size > OUTPUT_LIMIT:
            raise Fault(
                f"the rows are over 1 MiB, the limit of an output, after {len(rows):,}: write them to a file with "
                "`save`, or take fewer with `max_rows`"
            )
        if len(rows) == most:
            break
    return rows
