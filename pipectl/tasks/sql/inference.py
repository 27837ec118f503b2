"""Of which kind the columns of a file are: whole numbers, numbers, or text where anything else is among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import isfinite

_SMALL = re.compile(r"0|-?[1-9]\d{0,14}")
_INTEGER = re.compile(r"0|-?[1-9]\d{0,18}")
_LARGEST = 1 << 63
_EXACT = 1 << 53  # up to here doubles hold every whole number
_OF_JSON: Mapping[type, str] = {bool: "boolean", float: "number"}


def kind_of_fields(kind: str, values: Iterable[str | None]) -> str:
    """The kind of a column, empty as long as all of it is, that was of `kind` before these fields.

    What would not be written back as it was, such as `007`, `1.10` or a number of forty digits, is text; but whole
    numbers may stand among others. `long` is a whole number that may not.
    """
    fields = [value for value in values if value is not None]
    if not fields or kind == "text":
        return kind
    if all(map(_SMALL.fullmatch, fields)):
        return _of_both(kind, "integer")
    if _are_written_back(fields):
        return _of_both(kind, "number")
    for field in fields:
        kind = _of_both(kind, _kind_of_field(field))
        if kind == "text":
            break
    return kind


def kind_of_value(kind: str, value: object) -> str:
    """As `kind_of_fields`, for one value of a JSON file."""
    if value is None:
        return kind
    found = _kind_of_integer(value) if type(value) is int else _OF_JSON.get(type(value), "text")
    return _of_both(kind, found)


def settled(kind: str) -> str:
    """The kind of a column whose values are all known: a key of `Database.types`."""
    return "integer" if kind == "long" else kind or "text"


def _of_both(one: str, other: str) -> str:
    if one in ("", other):
        return other
    both = {one, other}
    if both == {"integer", "long"}:
        return "long"
    return "number" if both == {"integer", "number"} else "text"


def _kind_of_field(field: str) -> str:
    if _INTEGER.fullmatch(field):
        return _kind_of_integer(int(field))
    return "number" if _are_written_back([field]) else "text"


def _are_written_back(fields: list[str]) -> bool:
    try:
        numbers = list(map(float, fields))
    except ValueError:
        return False
    return list(map(repr, numbers)) == fields and all(map(isfinite, numbers))


def _kind_of_integer(value: int) -> str:
    if -_EXACT <= value <= _EXACT:
        return "integer"
    return "long" if -_LARGEST <= value < _LARGEST else "text"
