"""Waits: what an attempt waits for, and how that is looked at.

A look by HTTP, SQL, shell or Python is what a task of that type does. The other kinds need no process: of them only
the facts are told, and whoever runs the attempt looks by itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pipectl.durations import format_duration, parse_duration
from pipectl.model import Call, Command, Outcome, Task
from pipectl.tasks import find
from pipectl.tasks.base import Context, TaskFailed, path_of, result
from pipectl.template import TemplateError

BY_PROCESS = frozenset({"http", "sql", "shell", "python"})
"""The kinds of waits whose looks are processes."""

_LONGEST = 100


def prepare(task: Task, context: Context) -> Command | Call:
    """One look; for a kind that needs no process its `facts`. Raises TaskFailed, or a TemplateError."""
    kind = task.body["kind"]
    try:
        if kind in BY_PROCESS:
            return find(kind).prepare(_inner(task), context)
        value = context.render(task.body[kind])
    except TemplateError as error:
        raise error.within(f"`wait.{kind}`") from error
    match kind:
        case "file":
            return facts(path=path_of("wait.file", value, context))
        case "run":
            return facts(**_run(value, context))
        case "until":
            return facts(moment=_moment("wait.until", value))
        case _:
            return facts(seconds=_seconds(value))


def output(task: Task, outcome: Outcome) -> Any:
    """What the last look found."""
    kind = task.body["kind"]
    if kind in BY_PROCESS:
        return find(kind).output(_inner(task), outcome)
    return result(outcome)["output"]


def facts(**values: Any) -> Call:
    """Plain facts in the place of work: no process is started for them."""
    return Call("", "", payload=values)


def is_met(task: Task, found: Any) -> bool:
    """Whether the output of a look that went well is what the task waits for: a true value, or its `expect` decides."""
    if task.body["expect"]:
        return True
    match task.body["kind"]:
        case "sql":
            return _is_true(_first_value(found))
        case "python":
            return bool(found)
        case _:
            return True


def words(task: Task, work: Command | Call) -> str:
    """What is waited for, for people. It may hold secrets."""
    kind, body = task.body["kind"], task.body[task.body["kind"]]
    told = work.payload if isinstance(work, Call) else {}
    match kind:
        case "file":
            return f"file {told['path']}"
        case "http":
            statuses = ", ".join(map(str, told["with"]["expect_status"]))
            return f"{_short(told['with']['url'])} to answer {statuses}"
        case "sql":
            return f"sql: {_short(body['query'])}"
        case "shell":
            return f"shell: {_short(body['script'] if 'script' in body else ' '.join(map(str, body['argv'])))}"
        case "python":
            return f"python: {_short(next(body[key] for key in ('call', 'script', 'code') if key in body))}"
        case "run":
            task_of = f"task {told['task']} in " if told["task"] else ""
            moment = f" for {told['logical_time']}" if told["logical_time"] else ""
            return f"{task_of}a run of {told['pipeline']}{moment}"
        case "until":
            return f"until {datetime.fromtimestamp(told['moment'], UTC).isoformat()}"
        case _:
            return f"for {format_duration(told['seconds'])}"


def _inner(task: Task) -> Task:
    kind = task.body["kind"]
    return replace(task, type=kind, body=task.body[kind])


def _run(value: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The pipeline by its name, or by the absolute path of its file."""
    name, moment = value["pipeline"], value.get("logical_time")
    if not isinstance(name, str) or not name:
        raise TaskFailed(f"`wait.run.pipeline` must come to a name or a file, not to `{name!r:.40}`")
    if "/" in name or name.endswith((".yaml", ".yml")):
        name = os.path.normpath(os.path.join(context.folder, name))  # noqa: PTH118
    if moment is not None:
        moment = datetime.fromtimestamp(_moment("wait.run.logical_time", moment), UTC).isoformat()
    return {"pipeline": name, "task": value.get("task"), "logical_time": moment}


def _moment(key: str, value: Any) -> float:
    """Seconds since the epoch; a time without a zone is UTC, a date its midnight."""
    try:
        moment = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise TaskFailed(f"`{key}` must come to a time such as `2026-01-31T06:00`, not to `{value!s:.40}`") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _seconds(value: Any) -> float:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise TaskFailed(f"`wait.for`: {error}") from error


def _first_value(found: Any) -> Any:
    """The first value of a statement's output, whatever was fetched; None where there is no row."""
    if isinstance(found, Mapping) and "rows" in found:
        found = next(iter(found["rows"]), None)
    return next(iter(found.values()), None) if isinstance(found, Mapping) else found


def _is_true(value: Any) -> bool:
    """A number is true unless it is zero, also where it comes as text, as exact decimals do."""
    if not isinstance(value, str):
        return bool(value)
    with suppress(ValueError):
        return float(value) != 0
    return value.lower() not in {"", "false"}


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
