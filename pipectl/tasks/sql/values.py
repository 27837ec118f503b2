"""Values of databases as JSON and as text."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any


def to_json(value: Any) -> Any:
    """The value as plain JSON: dates in ISO 8601, durations in seconds, bytes in base64, what is no number as null.

    A decimal that a double would change is text, but for one with more than 15 digits after the point: that is a
    quotient, which the database has cut itself.
    """
    convert = _PLAIN.get(type(value))
    if convert is not None:
        return convert(value)
    for kind, conversion in _KINDS:
        if isinstance(value, kind):
            return conversion(value)
    return str(value)


def to_field(value: Any) -> Any:
    """The value as a field of a CSV file: null is empty, true and false are words, lists and mappings JSON."""
    if value is None or type(value) in FIELDS:
        return value
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    plain = to_json(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def from_json_number(text: str) -> float | str:
    """The number with a point or an exponent that a JSON file holds; its text where a double would change it."""
    number = float(text)
    return number if repr(number) == text else _float_or_text(Decimal(text), text)


def flat(value: Any) -> Any:
    """The value, a list or a mapping as JSON text."""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (dict, list)) else value


def json_text(value: Any) -> str | None:
    """The value as JSON text; null stays what it is."""
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)


def array_text(value: Any) -> Any:
    """A list as PostgreSQL writes an array, with lists in it as its other dimensions; else the value."""
    return f"{{{','.join(map(_item, value))}}}" if isinstance(value, list) else flat(value)


def _item(value: Any) -> str:
    if isinstance(value, list):
        return str(array_text(value))
    if value is None:
        return "NULL"
    text = str(to_field(value)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


FIELDS = frozenset({str, int, float, type(None)})
"""The types of what a CSV writer takes as it is."""


_MOST_PLACES = 15


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _decimal(value: Decimal) -> int | float | str | None:
    if not value.is_finite():
        return None
    return int(value) if value.as_tuple().exponent == 0 else _float_or_text(value, format(value, "f"))


def _float_or_text(value: Decimal, text: str) -> float | str:
    number = float(value)
    places = -int(value.as_tuple().exponent)
    return number if places > _MOST_PLACES or Decimal(repr(number)) == value else text


def _bytes(value: bytes | bytearray | memoryview) -> str:
    return base64.b64encode(bytes(value)).decode()


def _mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): to_json(item) for key, item in value.items()}


def _sequence(value: Any) -> list[Any]:
    return [to_json(item) for item in value]


def _same(value: Any) -> Any:
    return value


_PLAIN: Mapping[type, Callable[[Any], Any]] = {
    type(None): _same,
    bool: _same,
    int: _same,
    str: _same,
    float: _number,
    Decimal: _decimal,
}
_KINDS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (bool, bool),
    (int, int),
    (float, _number),
    (str, str),
    (Decimal, _decimal),
    ((date, time), lambda value: value.isoformat()),
    (timedelta, timedelta.total_seconds),
    ((bytes, bytearray, memoryview), _bytes),
    (Mapping, _mapping),
    ((list, tuple, set, frozenset), _sequence),
)
