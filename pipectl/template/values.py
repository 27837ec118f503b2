"""What leaves an expression: plain JSON values, and their text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipectl.template.errors import TemplateError
from pipectl.template.limits import allow

SQL_FILTERS = ("identifier", "literal")
"""The filters that may end an expression in SQL."""

_SEQUENCES = (list, tuple, range, Iterator)


@dataclass(frozen=True, slots=True)
class Computed:
    """What an expression came to, as plain JSON; `filter` is the one of those asked for that ends it, or empty."""

    value: Any
    filter: str = ""


def to_json(value: Any) -> Any:
    """The value made of plain JSON: times in ISO 8601, sequences as lists.

    Raises TemplateError for what has no such form (NaN, a key that is no text, any other object) and for what is
    larger than 16 MiB as text.
    """
    return _Conversion().plain(value)


def to_text(value: Any) -> str:
    """The value as it stands in a text: text as it is, times in ISO 8601, all else as JSON.

    Raises TemplateError as `to_json` does.
    """
    return written(to_json(value))


def written(plain: Any) -> str:
    """The text of a plain JSON value."""
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def kind(value: object) -> str:
    """What sort of value it is, in the words of the file language. What is not defined raises its own error."""
    kinds = ((bool, "true or false"), (str, "text"), ((int, float), "a number"), (Mapping, "a mapping"))
    if value is None:
        return "null"
    if isinstance(value, _SEQUENCES):
        return "a list"
    if isinstance(value, date):
        return "a time"
    for types, name in kinds:
        if isinstance(value, types):
            return name
    str(value)
    return f"a `{type(value).__name__}`"


class _Conversion:
    """Counts while it converts: lazy sequences, and parts that are shared, show their size only then."""

    def __init__(self) -> None:
        self.made = 0

    def plain(self, value: Any) -> Any:
        if isinstance(value, str):
            self._count(len(value) + 4)
            return value if type(value) is str else str(value)
        self._count(4)
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, float):
            return _finite(value)
        if isinstance(value, Mapping):
            return {self._key(key): self.plain(item) for key, item in value.items()}
        if isinstance(value, _SEQUENCES):
            return [self.plain(item) for item in value]
        if isinstance(value, date):
            return value.isoformat()
        raise TemplateError(f"it gives {kind(value)}, which has no place in JSON")

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise TemplateError(f"it gives a mapping whose key `{key}` is {kind(key)}, not text")
        self._count(len(key) + 4)
        return str(key)

    def _count(self, characters: int) -> None:
        self.made += characters
        allow(self.made)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise TemplateError(f"it gives the number {value}, which has no place in JSON")
    return value
