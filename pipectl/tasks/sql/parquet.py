"""Parquet files, by pyarrow, which is an extra."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.batches import BATCH, ROOM, batches
from pipectl.tasks.sql.values import to_field

try:
    pyarrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
except ModuleNotFoundError:
    raise Fault("Parquet needs `pyarrow`, which is not installed: `pip install 'pipectl[parquet]'`") from None

_ROWS = 20_000
_BUFFER = 1 << 18
_LARGEST = 1 << 63
_EXACT = 1 << 53  # up to here doubles hold every whole number
_DIGITS = (38, 76)  # of the two widths of decimals; the wider one is known to fewer readers

_KINDS: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    Decimal: "decimal",
    date: "date",
    datetime: "timestamp",
    time: "time",
    bytes: "bytes",
}
_TYPES = {
    "boolean": pyarrow.bool_(),
    "integer": pyarrow.int64(),
    "number": pyarrow.float64(),
    "date": pyarrow.date32(),
    "timestamp": pyarrow.timestamp("us"),
    "instant": pyarrow.timestamp("us", "UTC"),
    "time": pyarrow.time64("us"),
    "bytes": pyarrow.binary(),
    "text": pyarrow.string(),
}


def write_parquet(file: BinaryIO, names: Sequence[str], types: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
    """Writes the rows. Raises Fault where a column does not stay of one type.

    The first rows, at most twenty thousand, say of which types the columns are; what the database says (`types`, see
    `Result`) counts for decimals and where there are no values. What Parquet has no type for is text.
    """
    source = batches(rows, _ROWS)
    first = next(source, [])
    told = types or [""] * len(names)
    fields = [
        (name, _type(name, column, said))
        for name, column, said in zip(names, _columns(first, names), told, strict=True)
    ]
    schema = pyarrow.schema(fields)
    with parquet.ParquetWriter(file, schema) as writer:
        for batch in chain([first], source):
            arrays = [_array(column, field) for column, field in zip(_columns(batch, names), schema, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def read_schema(path: str) -> list[tuple[str, str]]:
    """The columns of a file, each with the kind of its values: a key of `Database.types`."""
    return [(field.name, _kind(field.type)) for field in _opened(path).schema_arrow]


def read_rows(path: str, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
    """The rows, with these columns in this order."""
    file = _opened(path)
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    widest = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
    size = max(1, min(BATCH, ROOM // max(widest, 1)))
    for batch in file.iter_batches(batch_size=size, columns=list(columns)):
        values = [batch.column(name).to_pylist() for name in columns]
        yield from zip(*values, strict=True)


def _opened(path: str) -> Any:
    if not Path(path).is_file():
        raise Fault(f"there is no file `{path}`")
    try:
        return parquet.ParquetFile(path, memory_map=False, pre_buffer=False, buffer_size=_BUFFER)
    except pyarrow.ArrowException as error:
        raise Fault(f"`{path}` is no Parquet file: {error}") from None


def _columns(rows: Sequence[Sequence[Any]], names: Sequence[str]) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) or [()] * len(names)


def _type(name: str, column: Sequence[Any], said: str) -> Any:
    values = [value for value in column if value is not None]
    kinds = {_KINDS.get(type_, "text") for type_ in set(map(type, values))}
    if "bytes" in kinds and len(kinds) > 1:
        raise Fault(
            f"column `{name}` holds bytes and {', '.join(sorted(kinds - {'bytes'}))}: make one of them in the SQL"
        )
    if not kinds:
        return _decimal([], said) if said.startswith("decimal") else _TYPES[said or "text"]
    if kinds <= {"integer", "decimal"}:
        return _whole_or_decimal(values, kinds, said)
    if kinds == {"integer", "number"} and all(-_EXACT <= value <= _EXACT for value in values if type(value) is int):
        return _TYPES["number"]
    if kinds == {"timestamp"} and all(value.tzinfo for value in values):
        return _TYPES["instant"]
    if kinds & {"timestamp", "time"} and any(value.tzinfo for value in values if isinstance(value, (datetime, time))):
        return _TYPES["text"]
    return _TYPES[kinds.pop() if len(kinds) == 1 else "text"]


def _whole_or_decimal(values: Sequence[Any], kinds: set[str], said: str) -> Any:
    if kinds == {"integer"} and all(-_LARGEST <= value < _LARGEST for value in values):
        return _TYPES["integer"]
    return _decimal([Decimal(value) for value in values], said)


def _decimal(values: Sequence[Decimal], said: str) -> Any:
    """What the database says, `decimal(precision, scale)`; else as wide as there is, with room on both sides."""
    if "(" in said:
        precision, scale = map(int, said[said.index("(") + 1 : -1].split(","))
        return _decimal_type(precision, scale)
    finite = [value for value in values if value.is_finite()]
    before = max((value.adjusted() + 1 for value in finite), default=1)
    after = max((-int(value.as_tuple().exponent) for value in finite), default=0)
    before, after = max(before, 1), max(after, 0)
    digits = next((digits for digits in _DIGITS if before + after <= digits), None)
    return _TYPES["text"] if digits is None else _decimal_type(digits, after + (digits - before - after) // 2)


def _decimal_type(precision: int, scale: int) -> Any:
    if precision > _DIGITS[1] or not 0 <= scale <= precision:
        return _TYPES["text"]
    wide = precision > _DIGITS[0]
    return pyarrow.decimal256(precision, scale) if wide else pyarrow.decimal128(precision, scale)


def _array(column: Sequence[Any], field: Any) -> Any:
    values = column
    try:
        if pyarrow.types.is_decimal(field.type):
            values = [_finite(value) for value in column]
        elif pyarrow.types.is_string(field.type):
            values = [_text(value) for value in column]
        return pyarrow.array(values, field.type)
    except (pyarrow.ArrowException, ArithmeticError, TypeError, ValueError) as error:
        raise Fault(
            f"column `{field.name}` began as {field.type}, and goes on otherwise: cast it in the SQL ({error})"
        ) from None


def _finite(value: Any) -> Decimal | None:
    if value is None:
        return None
    number = Decimal(value)
    return number if number.is_finite() else None


def _text(value: Any) -> str | None:
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError("bytes among text")
    field = to_field(value)
    return field if field is None or isinstance(field, str) else str(field)


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
