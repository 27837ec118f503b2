"""What a kind of task is: a module with the functions of `TaskType`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Protocol

from pipectl.model import OUTPUT_LIMIT, Call, Command, Outcome, Task


class TaskFailed(Exception):
    """The attempt failed; the message says why in one sentence. `types` are the classes of the exception behind it."""

    def __init__(self, message: str, types: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.types = types


class Context(Protocol):
    """What a task type may know of the attempt that it prepares."""

    @property
    def folder(self) -> str:
        """The pipeline's folder."""

    @property
    def cwd(self) -> str:
        """Where the attempt runs."""

    @property
    def env(self) -> Mapping[str, str]:
        """The attempt's environment."""

    def render(self, value: Any) -> Any:
        """The value with its expressions computed, through lists and mappings."""

    def plain_names(self) -> dict[str, Any]:
        """The names that inline code sees, as plain JSON."""


class TaskType(Protocol):
    """One kind of task. A module can be one."""

    def prepare(self, task: Task, context: Context) -> Command | Call:
        """What to execute. Raises TaskFailed, or a TemplateError, where that cannot be said."""

    def output(self, task: Task, outcome: Outcome) -> Any:
        """The output of an attempt that ended well, as plain JSON. Raises TaskFailed where there is no right one."""


def raised(outcome: Outcome) -> TaskFailed | None:
    """The exception that ended a worker's call, None where none did."""
    if outcome.result is None:
        return None
    told = json.loads(outcome.result)
    return None if told["ok"] else TaskFailed(told["error"], tuple(told.get("types", ())))


def check_size(data: bytes, what: str) -> None:
    """Raises TaskFailed where the data are over what an output may be."""
    if len(data) > OUTPUT_LIMIT:
        raise TaskFailed(f"{what} is over 1 MiB, the limit of an output: write a file, and give its path as the output")


def parse_json(text: str) -> Any:
    """Plain JSON. Raises ValueError where the text is none, or holds NaN or an infinite number, which JSON has not."""
    return json.loads(text, parse_constant=_no_constant, parse_float=_finite)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large a number")
    return number


def read_output_file(data: bytes | None) -> Any:
    """What a task wrote to `$PIPECTL_OUTPUT`: JSON if it parses, else `key=value` lines; None where it is empty."""
    if data is None or not data.strip():
        return None
    check_size(data, "what the task wrote to $PIPECTL_OUTPUT")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise TaskFailed(f"what the task wrote to $PIPECTL_OUTPUT is not UTF-8 (byte {error.start})") from error
    try:
        return parse_json(text)
    except (ValueError, RecursionError) as error:
        pairs = _pairs(text)
        if pairs is None:
            reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
            raise TaskFailed(
                f"what the task wrote to $PIPECTL_OUTPUT is neither JSON ({reason}) nor lines of key=value"
            ) from error
        return pairs


def _pairs(text: str) -> dict[str, str] | None:
    pairs = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.replace("-", "_").replace(".", "_").isidentifier():
            return None
        pairs[key] = value
    return pairs
