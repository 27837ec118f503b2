"""Rows as a file, written as they come."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, BinaryIO

from pipectl.tasks.sql.databases.base import batches
from pipectl.tasks.sql.values import FIELDS, to_field, to_json

Rows = Iterator[Sequence[Any]]

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def write(kind: str, file: BinaryIO, names: list[str], rows: Rows) -> None:
    """Writes the rows in the form of this kind. Raises Fault where they do not fit in it."""
    _WRITERS[kind](file, names, rows)


def _write_csv(file: BinaryIO, names: list[str], rows: Rows) -> None:
    file.write(_csv_text([names]).encode())
    for batch in batches(rows):
        if not FIELDS.issuperset(map(type, chain.from_iterable(batch))):
            batch = [list(map(to_field, row)) for row in batch]  # noqa: PLW2901
        file.write(_csv_text(batch).encode())


def _csv_text(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    if "\r" not in text.getvalue():
        return text.getvalue()
    text = io.StringIO(newline="")  # the writer leaves a lone carriage return bare, which ends a line for readers
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue()


def _json_texts(names: list[str], rows: Rows) -> Iterator[str]:
    for row in rows:
        values = dict(zip(names, map(to_json, row), strict=True))
        yield _ENCODE(values)


def _write_lines(file: BinaryIO, names: list[str], rows: Rows) -> None:
    for texts in batches(_json_texts(names, rows)):
        file.write("".join(f"{text}\n" for text in texts).encode())


def _write_array(file: BinaryIO, names: list[str], rows: Rows) -> None:
    before = "[\n"
    for text in _json_texts(names, rows):
        file.write(f"{before}{text}".encode())
        before = ",\n"
    file.write(b"[]\n" if before == "[\n" else b"\n]\n")


def _write_parquet(file: BinaryIO, names: list[str], rows: Rows) -> None:
    from pipectl.tasks.sql.parquet import write_parquet

    write_parquet(file, names, rows)


_WRITERS: Mapping[str, Callable[[BinaryIO, list[str], Rows], None]] = {
    "csv": _write_csv,
    "json": _write_array,
    "jsonl": _write_lines,
    "parquet": _write_parquet,
}
