"""The filters and tests of expressions: Jinja2's own, made to fit, and those that pipectl adds.

Not taken over are those for web pages that mark text as safe: `safe`, `urlize` and `xmlattr`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from pathlib import PurePosixPath
from typing import Any

from jinja2 import Environment, filters, pass_environment
from jinja2.tests import TESTS as JINJA_TESTS

from pipectl.durations import parse_duration
from pipectl.template import growth
from pipectl.template.errors import TemplateError
from pipectl.template.limits import PATTERN_TIME_LIMIT, TooSlow, allow, size, within
from pipectl.template.values import kind, to_text

_DAY = 86400.0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_text(value)


def _of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def filter_(value: Any, *args: Any, **kwargs: Any) -> Any:
        return function(_text(value), *args, **kwargs)

    return filter_


def _path(name: str) -> Callable[[Any], str]:
    def filter_(path: Any) -> str:
        if not isinstance(path, str):
            raise TemplateError(f"`{name}` takes a path, and this is {kind(path)}")
        return str(getattr(PurePosixPath(path), name))

    return filter_


def _moment(value: Any) -> date:
    if isinstance(value, date):
        return value
    if not isinstance(value, str):
        raise TemplateError(f"a time is expected, and this is {kind(value)}")
    try:
        return date.fromisoformat(value) if len(value) <= 10 else datetime.fromisoformat(value)
    except ValueError:
        raise TemplateError(f"`{value[:40]}` is not a time such as `2026-01-02` or `2026-01-02T06:00:00Z`") from None


def format_date(value: Any, form: str = "%Y-%m-%d") -> str:
    """The time in the form that strftime knows, the day alone by default; ISO 8601 text is taken too."""
    return growth.strftime(_moment(value), form)


def plus(value: Any, duration: Any) -> date:
    """The time moved by a duration, backwards if it is negative; a day stays a day when whole days are added.

    Whole days keep the time of the day, over a change of the clock too; hours and less are counted as they pass.
    """
    moment = _moment(value)
    text = str(duration).strip()
    try:
        seconds = parse_duration(text.lstrip("+-") if text[:1] in "+-" and text[1:2] not in "+-" else text)
    except ValueError as error:
        raise TemplateError(str(error)) from None
    days, rest = divmod(seconds, _DAY)
    sign = -1 if text.startswith("-") else 1
    if rest and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    moment += timedelta(days=sign * days)
    return _pass_time(moment, timedelta(seconds=sign * rest)) if rest and isinstance(moment, datetime) else moment


def _pass_time(moment: datetime, duration: timedelta) -> datetime:
    if moment.tzinfo is None:
        return moment + duration
    return (moment.astimezone(UTC) + duration).astimezone(moment.tzinfo)


@pass_environment
def _attr(environment: Environment, value: Any, name: str) -> Any:
    return environment.getattr(value, name)  # Jinja2's own filter goes past the sandbox until 3.1.6


@pass_environment
def _join(environment: Environment, items: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
    if attribute is not None:
        items = map(filters.make_attrgetter(environment, attribute), items)
    return growth.join(_text(d), items)


@pass_environment
def _sum(environment: Environment, items: Iterable[Any], attribute: str | int | None = None, start: Any = 0) -> Any:
    if attribute is not None:
        items = map(filters.make_attrgetter(environment, attribute), items)
    numbers = [start, *items]
    for number in numbers:
        if not isinstance(number, (int, float, timedelta)):
            raise TemplateError(f"`sum` adds numbers, and this is {kind(number)}")
    return sum(numbers[1:], start)


@pass_environment
def _truncate(environment: Environment, value: Any, *args: Any, **kwargs: Any) -> str:
    return filters.do_truncate(environment, _text(value), *args, **kwargs)


@pass_environment
def _wordwrap(
    environment: Environment,
    value: Any,
    width: int = 79,
    break_long_words: bool = True,
    wrapstring: str = "\n",
    break_on_hyphens: bool = True,
) -> str:
    text = _text(value)
    allow(len(text) * (1 + len(wrapstring)))
    return filters.do_wordwrap(environment, text, width, break_long_words, wrapstring, break_on_hyphens)


def _urlencode(value: Any) -> str:
    allow(size(value) * 3)
    return filters.do_urlencode(value)


def _printf(text: str, *args: Any, **kwargs: Any) -> str:
    if args and kwargs:
        raise TemplateError("`format` takes values or named values, not both")
    return growth.printf(text, kwargs or args)


def matches(value: Any, pattern: str) -> bool:
    """Whether the text begins with what the regular expression describes."""
    if not isinstance(value, str):
        raise TemplateError(f"`match` looks at text, and this is {kind(value)}")
    try:
        return within(PATTERN_TIME_LIMIT, lambda: re.match(pattern, value) is not None)
    except re.error as error:
        raise TemplateError(f"`{pattern[:60]}` is not a regular expression: {error}") from None
    except TooSlow:
        raise TemplateError(f"the pattern `{pattern[:60]}` takes too long") from None


_FITTED: dict[str, Callable[..., Any]] = {
    "attr": _attr,
    "batch": growth.batch,
    "center": _of_text(lambda text, width=80: growth.pad(text, "center", width)),
    "e": _of_text(html.escape),
    "escape": _of_text(html.escape),
    "forceescape": _of_text(html.escape),
    "format": _of_text(_printf),
    "indent": _of_text(growth.indent),
    "join": _join,
    "pprint": growth.pretty,
    "replace": _of_text(growth.replace),
    "round": growth.rounded,
    "slice": growth.slices,
    "string": to_text,
    "sum": _sum,
    "tojson": growth.as_json,
    "truncate": _truncate,
    "urlencode": _urlencode,
    "wordwrap": _wordwrap,
}

_OF_TEXT = ("capitalize", "lower", "striptags", "title", "trim", "upper", "wordcount")

_DROPPED = ("safe", "urlize", "xmlattr")

_JINJA: dict[str, Any] = dict(filters.FILTERS)

FILTERS: dict[str, Callable[..., Any]] = {
    **{name: function for name, function in _JINJA.items() if name not in _DROPPED},
    **{name: _of_text(_JINJA[name]) for name in _OF_TEXT},
    **_FITTED,
    **{name: _path(name) for name in ("name", "stem", "suffix", "parent")},
    "date": format_date,
    "plus": plus,
}

TESTS: dict[str, Any] = {**JINJA_TESTS, "match": matches}
