"""Of which kind the columns of a file are: whole numbers, numbers, or text where anything else is among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_INTEGER = re.compile(r"0|-?[1-9]\d{0,18}")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")
_LONG = 19  # digits or more may be more than 64 bits
_LARGEST = 1 << 63
_OF_JSON: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number"}


def kind_of_fields(kind: str, values: Iterable[str | None]) -> str:
    """The kind of a column, empty as long as all of it is, that was of `kind` before these fields.

    What would not come back as it was, such as `007` or a number of forty digits, is text.
    """
    fields = [value for value in values if value is not None]
    if not fields or kind == "text":
        return kind
    if kind in ("", "integer") and all(map(_is_integer, fields)):
        return "integer"
    return "number" if all(map(_NUMBER.fullmatch, fields)) else "text"


def kind_of_value(kind: str, value: object) -> str:
    """As `kind_of_fields`, for one value of a JSON file."""
    if value is None:
        return kind
    found = _OF_JSON.get(type(value), "text")
    if found == "integer" and not -_LARGEST <= value < _LARGEST:  # type: ignore[operator]
        found = "text"
    if kind in ("", found):
        return found
    return "number" if {kind, found} == {"integer", "number"} else "text"


def _is_integer(field: str) -> bool:
    return _INTEGER.fullmatch(field) is not None and (len(field) < _LONG or -_LARGEST <= int(field) < _LARGEST)
