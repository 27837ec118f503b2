"""The values of a program as the plain data that a file can hold."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from enum import Enum
from typing import Any

from pipectl.authoring.functions import Nameless, call_name
from pipectl.authoring.tasks import Output, Task
from pipectl.plain_json import check_characters, check_depth
from pipectl.spec.bodies import CALL


def refuse_output(output: Output) -> str:
    """For values that are there before any task runs."""
    raise ValueError("what a task will give is known to tasks only")


def plain(value: Any, speak: Callable[[Output], str] = refuse_output) -> Any:
    """Texts, numbers, booleans, null, lists and mappings. Raises ValueError for what cannot be said by those.

    `speak` gives the expression for an output; a task stands for its output, a function for its name.
    """
    try:
        written = _plain(value, speak)
        check_depth(written)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return written


def _plain(value: Any, speak: Callable[[Output], str]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Task | Output):
        return speak(value.output if isinstance(value, Task) else value)
    if isinstance(value, Enum):
        return _plain(value.value, speak)
    if isinstance(value, str | int | float):
        return _scalar(value)
    if isinstance(value, Mapping):
        return {_key(key): _plain(one, speak) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(one, speak) for one in value]
    return _other(value)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError(f"the key `{key!r}` is no text")
    check_characters(key)
    return str(key)


def _scalar(value: str | float) -> str | float:
    """A value of the built-in type itself, of which others may be kinds."""
    if isinstance(value, str):
        check_characters(value)
        return str(value)
    if isinstance(value, int):
        return int(value)
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number that JSON has")
    return float(value)


def _other(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if callable(value):
        return _call(value)
    raise ValueError(f"a value of type `{type(value).__name__}` is no plain data")


def _call(function: Any) -> str:
    try:
        name = call_name(function)
    except Nameless as fault:
        raise ValueError(str(fault)) from fault
    if not CALL.fullmatch(name):
        raise ValueError(f"no task can import `{name}`: give the module a name of letters, digits and `_`")
    return name
