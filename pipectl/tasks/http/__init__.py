"""HTTP tasks: one request and its answer.

Here a task becomes a request, with everything checked that can be before anything is sent. The request is made in a
worker (`work.py`): the runner itself knows nothing of sockets.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from pipectl.connections import Connection
from pipectl.model import Call, Outcome, Task
from pipectl.tasks.base import Context, TaskFailed, path_of, result
from pipectl.tasks.http import fields, urls
from pipectl.tasks.own import own_call
from pipectl.template import TemplateError

_METHOD = re.compile(r"[A-Za-z][A-Za-z-]*")
_NOT_IDEMPOTENT = frozenset({"POST", "PATCH"})
_BODIES = ("json", "form", "data", "body_file")


def prepare(task: Task, context: Context) -> Call:
    """The call that makes the request. Raises TaskFailed, or a TemplateError, where there can be none."""
    name = task.body.get("connection")
    connection = context.connection(name) if name else None
    try:
        url = urls.locate(context.parts(task.body["url"].strip()), connection)
    except TemplateError as error:
        raise error.within("`url`") from error
    given = _rendered(task.body, context)
    content = next((fields.content(form, given[form]) for form in _BODIES if form in given), None)
    method = _method(given, content)
    headers = _headers(url, connection, given)
    if method in _NOT_IDEMPOTENT:
        headers = fields.merged({"Idempotency-Key": context.env["PIPECTL_IDEMPOTENCY_KEY"]}, headers)
    if content is not None:
        content["type"] = fields.take(headers, "Content-Type", content["type"])
    arguments = {
        "method": method,
        "url": url.with_query(fields.pairs("query", given.get("query") or {})).text,
        "headers": fields.without_nulls(headers),
        "content": content,
        "expect_status": given.get("expect_status") or ["2xx"],
        "save": _save(given, context),
        "follow_redirects": given.get("follow_redirects", True),
        "verify": _verify(given, connection, context),
        "timeout": given.get("timeout"),
        "patience": given.get("timeout") or context.timeout,
    }
    return own_call(task, "pipectl.tasks.http.work:run", arguments)


def output(task: Task, outcome: Outcome) -> Any:
    """The answer: `{status, headers, json | text, bytes}`, or with `save` `{status, headers, path, bytes}`."""
    if outcome.result is None:
        raise TaskFailed("the request's process ended before it gave a result")
    return result(outcome)["output"]


def _rendered(body: Mapping[str, Any], context: Context) -> dict[str, Any]:
    values = {}
    for key, value in body.items():
        if key in ("url", "connection"):
            continue
        try:
            values[key] = context.render(value)
        except TemplateError as error:
            raise error.within(f"`{key}`") from error
    if isinstance(values.get("body_file"), str):
        values["body_file"] = os.path.join(context.cwd, values["body_file"])  # noqa: PTH118
    return values


def _method(given: Mapping[str, Any], content: object) -> str:
    method = given.get("method") or ("GET" if content is None else "POST")
    if not isinstance(method, str) or not _METHOD.fullmatch(method):
        raise TaskFailed(f"`{method!s:.40}` is no method of HTTP")
    return method.upper()


def _headers(url: urls.Url, connection: Connection | None, given: Mapping[str, Any]) -> dict[str, str | None]:
    """The headers of both; what the task says goes before what the connection says."""
    levels = [fields.authorization(url.auth)]
    if connection is not None:
        of_connection = fields.authorization(connection.auth, f"the `auth` of connection `{connection.name}`")
        levels += [of_connection, fields.headers(connection.headers)]
    levels += [fields.authorization(given.get("auth")), fields.headers(given.get("headers") or {})]
    return fields.merged(*levels)


def _save(given: Mapping[str, Any], context: Context) -> str | None:
    if given.get("save") is None:
        return None
    path = path_of("save", given["save"], context)
    if path.endswith("/") or os.path.isdir(path):  # noqa: PTH112
        raise TaskFailed(f"`save`: `{path}` is a folder: write the name of a file in it")
    return path


def _verify(given: Mapping[str, Any], connection: Connection | None, context: Context) -> bool | str:
    """Whether the server's certificate is checked, or the file of those whose word is taken."""
    verify: bool | str | None = given.get("verify")
    if isinstance(verify, str):
        return os.path.join(context.cwd, verify)  # noqa: PTH118
    if verify is None:
        return True if connection is None else connection.verify
    return verify
