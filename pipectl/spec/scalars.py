"""What an unquoted YAML scalar means: the YAML 1.2 core schema, so that `no`, `on`, `12:30` and dates stay text.

Departures keep what was typed: a number with a leading zero (`0755`) is text, and so are numbers that JSON cannot hold
(`.inf`, `1e999`) or that are of a thousand digits.
"""

from __future__ import annotations

import math
import re
from typing import Any


class WrittenInt(int):
    """A whole number that remembers how it was written, where that is not how it prints (`0x1f`, `+5`)."""

    text: str


class WrittenFloat(float):
    """A number that remembers how it was written, where that is not how it prints (`3.10`, `1e3`)."""

    text: str


_CONSTANTS: dict[str, Any] = {
    "": None,
    **dict.fromkeys(("~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,999})|0o[0-7]{1,999}|0x[0-9a-fA-F]{1,800}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


def resolve(text: str) -> Any:
    """The value of a plain scalar: None, a boolean, a number or the text itself."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] in "+-.0123456789":
        return _number(text)
    return text


def as_text(value: Any) -> Any:
    """A number as it was typed; any other value as it is. For places where text is wanted."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return getattr(value, "text", None) or str(value)


def _number(text: str) -> Any:
    if _INT.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return _written(text, int(text, base), WrittenInt)
    if _FLOAT.fullmatch(text) and math.isfinite(value := float(text)):
        return _written(text, value, WrittenFloat)
    return text


def _written(text: str, value: Any, kind: type[WrittenInt | WrittenFloat]) -> Any:
    if str(value) == text:
        return value
    number = kind(value)
    number.text = text
    return number
