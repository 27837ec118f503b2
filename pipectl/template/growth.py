"""Operations of Jinja2 and Python that can make much out of little, each with a look at the size before it is done."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pprint import pformat
from typing import Any

from jinja2 import Environment, filters
from jinja2.sandbox import SandboxedFormatter

from pipectl.template.errors import TemplateError
from pipectl.template.limits import allow, allow_digits, size
from pipectl.template.values import to_json, to_text

_WIDTH = re.compile(r"%(?:\([^)]*\))?[-#0 +]*([0-9]+|\*)?(?:\.([0-9]+|\*))?")
_LONGEST_FLOAT = 330
_LONGEST_RANGE = 100_000


def numbers(*bounds: int) -> range:
    """`range(…)`."""
    made = range(*bounds)
    if len(made) > _LONGEST_RANGE:
        raise TemplateError(f"a range has at most {_LONGEST_RANGE:,} numbers")
    return made


def multiply(left: Any, right: Any) -> Any:
    """`left * right`, numbers or a sequence and a number."""
    for one, other in ((left, right), (right, left)):
        if isinstance(other, int):
            if isinstance(one, int):
                allow_digits(one.bit_length() + other.bit_length())
            elif isinstance(one, (str, list, tuple)):
                allow(size(one) * other)
    return left * right


def power(left: Any, right: Any) -> Any:
    """`left ** right`."""
    if isinstance(left, int) and isinstance(right, int) and right > 0:
        allow_digits(left.bit_length() * right)
    return left**right


def remainder(left: Any, right: Any) -> Any:
    """`left % right` of numbers, or of a printf format and its values."""
    return printf(left, right) if isinstance(left, str) else left % right


def printf(text: str, values: Any) -> str:
    """`text % values`; widths are numbers in the text, not `*`."""
    widths = [width for found in _WIDTH.findall(text) for width in found if width]
    if "*" in widths:
        raise TemplateError("a width of `*` is not supported in a format, only a number is")
    given = values.values() if isinstance(values, Mapping) else values if isinstance(values, tuple) else [values]
    longest = max((size(value) for value in given), default=0) + _LONGEST_FLOAT
    allow(len(text) + sum(map(int, widths)) + text.count("%") * longest)
    return str(text % values)


class _Formatter(SandboxedFormatter):
    """`str.format` whose attributes go through the sandbox and whose result is bounded."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.made = 0

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
        value, first = super().get_field(field_name, args, kwargs)
        allow(self.made + size(value))
        return value, first

    def format_field(self, value: Any, format_spec: str) -> str:
        allow(self.made + sum(map(int, re.findall("[0-9]+", format_spec))))
        field: str = super().format_field(value, format_spec)
        self.made += len(field)
        return field


def str_format(environment: Environment, text: str, *args: Any, **kwargs: Any) -> str:
    """`text.format(…)`."""
    return str(_Formatter(environment).vformat(text, args, kwargs))


def pad(text: str, method: str, width: int, *fill: str) -> str:
    """`text.center(width)` and its like."""
    allow(width)
    return str(getattr(text, method)(width, *fill))


def strftime(moment: date, form: str) -> str:
    """`moment.strftime(form)`; the system's own makes of a format at most 256 times its length."""
    allow(256 * len(form))
    return moment.strftime(form)


def replace(text: str, old: str, new: str, count: int | None = None) -> str:
    """`text.replace(old, new, count)`; None and negative counts replace all."""
    times = text.count(old)
    times = times if count is None or count < 0 else min(times, count)
    allow(len(text) + times * (len(new) - len(old)))
    return text.replace(old, new, times)


def join(separator: str, items: Iterable[Any]) -> str:
    """The items as text, with the separator between them."""
    texts: list[str] = []
    total = 0
    for item in items:
        texts.append(to_text(item))
        total += len(texts[-1]) + len(separator)
        allow(total)
    return separator.join(texts)


def indent(text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    """The text with each line indented; see Jinja2's filter."""
    one = len(width) if isinstance(width, str) else width
    allow(len(text) + one * (len(text.splitlines()) + 1))
    return filters.do_indent(text, width, first, blank)


def batch(items: Iterable[Any], linecount: int, fill_with: Any = None) -> Iterator[list[Any]]:
    """The items in lists of `linecount`; see Jinja2's filter."""
    allow(linecount * (size(fill_with) + 2))
    return filters.do_batch(items, linecount, fill_with)


def slices(items: Iterable[Any], slices: int, fill_with: Any = None) -> Iterator[list[Any]]:
    """The items in so many lists; see Jinja2's filter `slice`."""
    allow(slices * (size(fill_with) + 2) * 8)
    return filters.sync_do_slice(list(items), slices, fill_with)


def rounded(value: float, precision: int = 0, method: str = "common") -> float:
    """The number rounded; see Jinja2's filter `round`."""
    if abs(precision) > 300:
        raise TemplateError("`round` takes a precision of at most 300")
    return filters.do_round(value, precision, method)  # type: ignore[arg-type]


def pretty(value: Any) -> str:
    """The value as Python prints it over several lines."""
    return pformat(to_json(value))


def as_json(value: Any, indent: int | None = None) -> str:
    """The value as JSON text, on one line unless `indent` says how far each level is moved."""
    plain = to_json(value)
    if indent is None:
        return json.dumps(plain, ensure_ascii=False)
    pieces: list[str] = []
    total = 0
    allow(indent * 1000)
    for piece in json.JSONEncoder(ensure_ascii=False, indent=indent).iterencode(plain):
        total += len(piece)
        allow(total)
        pieces.append(piece)
    return "".join(pieces)
