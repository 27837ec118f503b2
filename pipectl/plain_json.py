"""JSON as other programs take it: Python's own reader lets through what is none."""

from __future__ import annotations

import json
import math
from typing import Any


class NotJson(ValueError):
    """The text is something else; says where that shows."""


def parse_json(text: str) -> Any:
    """Plain JSON.

    Raises NotJson for other text, and ValueError, saying why, for what only looks like it: NaN, infinite numbers, half
    characters (lone surrogates), numbers of more than 1,000 digits, or nesting that is too deep.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_bounded)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"line {error.lineno}, column {error.colno}" if text.strip() else "it is empty") from None
    if "\\u" in text or not text.isascii():
        check_characters(json.dumps(value, ensure_ascii=False))
    return value


def check_depth(value: Any, most: int = 100) -> None:
    """Raises ValueError where lists and mappings are nested deeper than that: not every reader takes them."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    if any(isinstance(one, dict | list) for one in level):
        raise ValueError(f"it is nested more than {most} deep")


def check_characters(text: str) -> None:
    """Raises ValueError where the text holds half a character, which no file and no other program can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"it holds half a character ({text[error.start]!a})") from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _bounded(text: str) -> int:
    if len(text) > 1000:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large a number")
    return number
