"""SQL tasks: statements with bound values, or a file loaded into a table.

Here a task's values are computed. All else happens in a worker (`work.py`): the runner itself knows no database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipectl.model import Call, Outcome, Task
from pipectl.tasks.base import Context, TaskFailed, path_of, result
from pipectl.tasks.own import own_call
from pipectl.template import SQL_FILTERS, Computed, TemplateError


def prepare(task: Task, context: Context) -> Call:
    """The call that runs the statements or loads the file. Raises TaskFailed, or a TemplateError."""
    body = task.body
    arguments = {
        "address": asdict(context.connection(body["connection"]).address),
        "surroundings": {
            "connection": body["connection"],
            "folder": context.folder,
            "timeout": context.timeout,
            "state_file": context.state_file,
        },
        "key": context.env["PIPECTL_IDEMPOTENCY_KEY"] if body["once"] else None,
    }
    if "load" in body:
        return own_call(task, "pipectl.tasks.sql.work:load", arguments | {"job": _load(body["load"], context)})
    return own_call(task, "pipectl.tasks.sql.work:query", arguments | _query(body, context))


def output(task: Task, outcome: Outcome) -> Any:
    """The last statement's result, or what was loaded."""
    if outcome.result is None:
        raise TaskFailed("the process of the statements ended before it gave a result")
    return result(outcome)["output"]


def _query(body: Mapping[str, Any], context: Context) -> dict[str, Any]:
    try:
        parts = context.parts(body["query"], SQL_FILTERS) if body["render"] else [body["query"]]
    except TemplateError as error:
        raise error.within("the SQL") from error
    return {
        "parts": [asdict(part) if isinstance(part, Computed) else part for part in parts],
        "fetch": body.get("fetch"),
        "max_rows": body.get("max_rows"),
        "save": path_of("save", context.render(body["save"]), context) if "save" in body else None,
        "transaction": body["transaction"],
    }


def _load(load: Mapping[str, Any], context: Context) -> dict[str, Any]:
    values = {}
    for name, value in load.items():
        try:
            values[name] = context.render(value)
        except TemplateError as error:
            raise error.within(f"`load.{name}`") from error
    if not isinstance(values["table"], str) or not values["table"]:
        raise TaskFailed(f"`load.table` must come to the name of a table, not to `{values['table']!r:.40}`")
    return values | {"file": path_of("load.file", values["file"], context)}
