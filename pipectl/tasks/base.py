"""What a kind of task is: a module with the functions of `TaskType`."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pipectl.model import OUTPUT_LIMIT, Call, Command, Outcome, Task
from pipectl.plain_json import parse_json
from pipectl.template import Computed

if TYPE_CHECKING:
    from pipectl.connections import Connection  # what most pipelines have none of


class TaskFailed(Exception):
    """The attempt failed; the message says why in one sentence.

    `kinds` are what `retries: {on: …}` may know it by: the classes of the exception behind it, the status of an
    answer, `timeout`, `connection`. No new attempt is wanted before `retry_after` seconds.
    """

    def __init__(self, message: str, kinds: tuple[int | str, ...] = (), retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.kinds = kinds
        self.retry_after = retry_after


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

    @property
    def timeout(self) -> float | None:
        """The time limit of the attempt in seconds."""

    @property
    def state_file(self) -> str:
        """Where pipectl keeps its own state: nothing for a task to write to."""

    def render(self, value: Any) -> Any:
        """The value with its expressions computed, through lists and mappings."""

    def parts(self, text: str, filters: Collection[str] = ()) -> list[str | Computed]:
        """The text in parts, for those who do not paste; see `template.Renderer.parts`."""

    def connection(self, name: str) -> Connection:
        """The connection of this name."""

    def plain_names(self) -> dict[str, Any]:
        """The names that inline code sees, as plain JSON."""


class TaskType(Protocol):
    """One kind of task. A module can be one."""

    def prepare(self, task: Task, context: Context) -> Command | Call:
        """What to execute. Raises TaskFailed, or a TemplateError, where that cannot be said."""

    def output(self, task: Task, outcome: Outcome) -> Any:
        """The output of an attempt that ended well, as plain JSON. Raises TaskFailed where there is no right one."""


def raised(outcome: Outcome) -> TaskFailed | None:
    """The exception that ended a worker's call, or that its result cannot be read; None where there is neither."""
    if outcome.result is None:
        return None
    try:
        told = result(outcome)
    except TaskFailed as garbled:
        return garbled
    if told["ok"]:
        return None
    return TaskFailed(str(told["error"]), tuple(told.get("kinds", ())), told.get("retry_after") or 0.0)


def result(outcome: Outcome) -> dict[str, Any]:
    """What a worker told of its call. Raises TaskFailed where the task garbled it."""
    try:
        told = json.loads(outcome.result or b"")
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not {"ok", "output" if told.get("ok") else "error"} <= told.keys():
        raise TaskFailed("the task's result cannot be read: it wrote to its descriptors, or nests data too deeply")
    return told


def path_of(key: str, value: object, context: Context) -> str:
    """The path that a key came to, from where the attempt runs; `~/` is its home. Raises TaskFailed for no path."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise TaskFailed(f"`{key}` must come to a path, not to `{value!r:.40}`")
    home = context.env.get("HOME")
    return os.path.join(context.cwd, home + value[1:] if home and value.startswith("~/") else value)  # noqa: PTH118


def check_size(data: bytes, what: str) -> None:
    """Raises TaskFailed where the data are over what an output may be."""
    if len(data) > OUTPUT_LIMIT:
        raise TaskFailed(f"{what} is over 1 MiB, the limit of an output: write a file, and give its path as the output")


def read_output_file(data: bytes | None) -> Any:
    """What a task wrote to `$PIPECTL_OUTPUT`: JSON if it parses, else `key=value` lines; None where it is empty."""
    if data is None or not data.strip():
        return None
    check_size(data, "what the task wrote to $PIPECTL_OUTPUT")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TaskFailed(f"what the task wrote to $PIPECTL_OUTPUT is not UTF-8 (byte {error.start})") from error
    try:
        return parse_json(text)
    except ValueError as error:
        pairs = _pairs(text)
        if pairs is None:
            raise TaskFailed(
                f"what the task wrote to $PIPECTL_OUTPUT is neither JSON ({error}) nor lines of key=value"
            ) from error
        return pairs


def _pairs(text: str) -> dict[str, str] | None:
    pairs = {}
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip():
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.replace("-", "_").replace(".", "_").isidentifier():
            return None
        pairs[key] = value
    return pairs
