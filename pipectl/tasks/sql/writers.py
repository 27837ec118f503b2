"""Rows as a file, written as they come."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.batches import batches
from pipectl.tasks.sql.values import FIELDS, to_field, to_json

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_BYTES: frozenset[type] = frozenset({bytes, bytearray, memoryview})


@dataclass(frozen=True, slots=True)
class Rows:
    """What is written. `names` differ; `types` are those of `Result.types`."""

    names: Sequence[str]
    types: Sequence[str]
    rows: Iterator[Sequence[Any]]


def write(kind: str, file: BinaryIO, rows: Rows) -> None:
    """Writes the rows in the form of this kind. Raises Fault where they do not fit in it."""
    _WRITERS[kind](file, rows)


def refused_bytes(name: str) -> Fault:
    """Why bytes are in no file of text: there they would be read as what encodes them."""
    return Fault(
        f"column `{name}` holds bytes, which CSV and JSON do not have: encode them in the SQL, as with `hex` or "
        "`encode`, or save them as Parquet"
    )


def _write_csv(file: BinaryIO, rows: Rows) -> None:
    file.write(_csv_text([rows.names]).encode())
    for batch in batches(rows.rows):
        types = {type(value) for value in chain.from_iterable(batch)}
        if not types <= FIELDS:
            if types & _BYTES:
                _refuse_bytes(rows.names, batch)
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


def _json_texts(rows: Rows) -> Iterator[bytes]:
    for row in rows.rows:
        if not _BYTES.isdisjoint(map(type, row)):
            _refuse_bytes(rows.names, [row])
        yield _ENCODE(dict(zip(rows.names, map(to_json, row), strict=True))).encode()


def _refuse_bytes(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    for row in rows:
        for name, value in zip(names, row, strict=True):
            if type(value) in _BYTES:
                raise refused_bytes(name)


def _write_lines(file: BinaryIO, rows: Rows) -> None:
    for text in _json_texts(rows):
        file.write(text + b"\n")


def _write_array(file: BinaryIO, rows: Rows) -> None:
    before = b"[\n"
    for text in _json_texts(rows):
        file.write(before + text)
        before = b",\n"
    file.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def _write_parquet(file: BinaryIO, rows: Rows) -> None:
    from pipectl.tasks.sql.parquet import write_parquet

    write_parquet(file, rows.names, rows.types, rows.rows)


_WRITERS: Mapping[str, Callable[[BinaryIO, Rows], None]] = {
    "csv": _write_csv,
    "json": _write_array,
    "jsonl": _write_lines,
    "parquet": _write_parquet,
}
