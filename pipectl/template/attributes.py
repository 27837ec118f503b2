"""What may follow a dot: the keys of a mapping, and of other values the few attributes listed here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from jinja2 import Environment

from pipectl.template import growth


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TEXT = _words(
    "capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit isidentifier islower"
    " isnumeric isprintable isspace istitle isupper lower lstrip partition removeprefix removesuffix rfind rindex"
    " rpartition rsplit rstrip split splitlines startswith strip swapcase title upper"
)
_DATE = _words("day isocalendar isoformat isoweekday month replace weekday year")
_TIME = _DATE | {"date", "hour", "microsecond", "minute", "second", "timestamp"}

_ALLOWED: tuple[tuple[type, frozenset[str]], ...] = (
    (str, _TEXT),
    (datetime, _TIME),
    (date, _DATE),
    (timedelta, frozenset({"days", "seconds", "total_seconds"})),
    (type(date.min.isocalendar()), frozenset({"week", "weekday", "year"})),
    (list, frozenset({"count", "index"})),
    (tuple, frozenset({"count", "index", "grouper", "list"})),  # the last two are of what `groupby` gives
    (float, frozenset({"is_integer"})),
)


def attribute(environment: Environment, value: Any, name: str) -> Any:
    """The value's attribute; raises AttributeError for what is not there and for what is not allowed."""
    if isinstance(value, str) and name in _BOUNDED:
        return partial(_BOUNDED[name], environment, value)
    if isinstance(value, date) and name == "strftime":
        return partial(growth.strftime, value)
    for type_, names in _ALLOWED:
        if isinstance(value, type_) and name in names:
            return getattr(value, name)
    raise AttributeError(name)


def _pad(method: str) -> Callable[..., str]:
    def bounded(_environment: Environment, text: str, width: int, *fill: str) -> str:
        return growth.pad(text, method, width, *fill)

    return bounded


_BOUNDED: dict[str, Callable[..., str]] = {
    **{method: _pad(method) for method in ("center", "ljust", "rjust", "zfill")},
    "format": growth.str_format,
    "join": lambda _environment, text, items: growth.join(text, items),
    "replace": lambda _environment, text, *args, **kwargs: growth.replace(text, *args, **kwargs),
}
