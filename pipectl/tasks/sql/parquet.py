"""Parquet files, by pyarrow, which is an extra."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.databases.base import batches

try:
    pyarrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
except ModuleNotFoundError:
    raise Fault("Parquet needs `pyarrow`, which is not installed: `pip install 'pipectl[parquet]'`") from None

_ROWS = 20_000


def write_parquet(file: BinaryIO, names: list[str], rows: Iterator[Sequence[Any]]) -> None:
    """Writes the rows; the first twenty thousand say of which types the columns are. Raises Fault where one differs."""
    schema: Any = None
    writer: Any = None
    for batch in _or_none(batches(rows, _ROWS)):
        columns = [[_fitted(value) for value in column] for column in zip(*batch, strict=True)] or [[] for _ in names]
        try:
            if schema is None:
                schema = _schema(names, columns)
                writer = parquet.ParquetWriter(file, schema)
            arrays = [pyarrow.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        except (pyarrow.ArrowException, OverflowError, TypeError, ValueError) as error:
            raise Fault(f"a column holds values of several types, which Parquet cannot: {error}") from None
        writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
    if writer is not None:
        writer.close()


def read_schema(path: str) -> list[tuple[str, str]]:
    """The columns of a file, each with the kind of its values; see `columns`."""
    return [(field.name, _kind(field.type)) for field in _opened(path).schema_arrow]


def read_rows(path: str, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
    """The rows, with these columns in this order."""
    for batch in _opened(path).iter_batches(batch_size=_ROWS // 4, columns=list(columns)):
        values = [batch.column(name).to_pylist() for name in columns]
        yield from zip(*values, strict=True)


def _opened(path: str) -> Any:
    if not Path(path).is_file():
        raise Fault(f"there is no file `{path}`")
    try:
        return parquet.ParquetFile(path, memory_map=False, pre_buffer=False)
    except pyarrow.ArrowException as error:
        raise Fault(f"`{path}` is no Parquet file: {error}") from None


def _or_none(found: Iterator[list[Sequence[Any]]]) -> Iterator[list[Sequence[Any]]]:
    yield next(found, [])
    yield from found


def _schema(names: list[str], columns: list[list[Any]]) -> Any:
    types = [pyarrow.array(column).type for column in columns]
    return pyarrow.schema(
        [
            (name, pyarrow.string() if pyarrow.types.is_null(type_) else type_)
            for name, type_ in zip(names, types, strict=True)
        ]
    )


def _fitted(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value) if isinstance(value, UUID) else value


def _kind(type_: Any) -> str:
    types = pyarrow.types
    kinds = (
        (types.is_boolean, "boolean"),
        (types.is_integer, "integer"),
        (types.is_floating, "number"),
        (types.is_decimal, "number"),
        (types.is_date, "date"),
        (types.is_timestamp, "timestamp"),
        (types.is_binary, "bytes"),
        (types.is_large_binary, "bytes"),
    )
    return next((kind for is_kind, kind in kinds if is_kind(type_)), "text")
