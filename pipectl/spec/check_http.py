"""What an http task may not be, past its schema: addresses that lead nowhere, bodies that cannot be sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from pipectl.connections import WEB_PORTS
from pipectl.durations import parse_duration
from pipectl.errors import Problem
from pipectl.spec.check_access import access_problems
from pipectl.spec.check_connections import (
    EXPRESSION,
    is_whole,
    names_none,
    scheme_of,
    url_of,
    url_problems,
    used_connection,
)
from pipectl.spec.declaration import Declaration
from pipectl.spec.source import Part
from pipectl.template import has_expression

_BODIES = ("json", "form", "data", "body_file")
_METHOD = re.compile(r"[A-Za-z][A-Za-z-]*")
_REQUEST_LINE = re.compile(r"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)\s+(\S+)")


def http_problems(name: str, task: Part, declaration: Declaration) -> Iterator[Problem]:
    """What is wrong with one http task."""
    http = task["http"]
    yield from used_connection(name, task, "http", declaration)
    named = declaration.option(task, "http", "connection")
    url = http if isinstance(http.value, str) else http.get("url")
    if url is not None and url.value:
        yield from _url_problems(name, url, named, declaration)
        if names_none(task, "http", declaration):
            yield from _beginning_problems(name, url)
        if named is not None or has_expression(url.value):
            yield from _away_problems(url)
    elif names_none(task, "http", declaration):
        hint = "write `url: https://HOST/PATH`, or name a `connection`, whose url it is"
        yield http.problem(f"task `{name}` has no `url`", hint, key=True)
    yield from option_problems(http)
    yield from _body_problems(name, http)


def option_problems(http: Part) -> Iterator[Problem]:
    """What is wrong with the options that a task and `defaults` may have."""
    yield from access_problems(http)
    timeout = http.get("timeout")
    if timeout is not None and parse_duration(timeout.value) == 0:
        yield timeout.problem("the request has no time at all", "remove `timeout` for no limit of its own")


def _url_problems(name: str, url: Part, named: Part | None, declaration: Declaration) -> Iterator[Problem]:
    text, scheme = url.value, scheme_of(url.value)
    if line := _REQUEST_LINE.fullmatch(text.strip()):
        hint = f"write `http: {{method: {line[1]}, url: {line[2]}}}`"
        yield url.problem("a url begins with no method", hint)
    elif scheme in WEB_PORTS:
        yield from url_problems(f"task `{name}`", url)
        if named is not None:
            yield from _elsewhere(url, named, declaration)
    elif scheme:
        yield url.problem(f"the url of task `{name}` is `{scheme}://`", "write `http://` or `https://`")


def _beginning_problems(name: str, url: Part) -> Iterator[Problem]:
    """What is wrong with an address without a scheme where no connection has one."""
    text = url.value
    if scheme_of(text) or _REQUEST_LINE.fullmatch(text.strip()):
        return
    if text.startswith("{{"):
        if not is_whole(text):
            message = (
                f"the url of task `{name}` begins with an expression, which is percent-encoded: it can be no address"
            )
            end = text.find("}}") + 2
            base, path = _quoted(text[:end]), _quoted(text[end:])
            here = _spelt(url, f"connection: api, url: {path}")
            yield url.problem(message, f"write `connections: {{api: {{url: {base}}}}}` at the top, and `{here}` here")
    else:
        address = f"https://{'HOST' if text.startswith('/') else ''}{text}"
        hint = f"write `{address}`, or name a `connection`, to whose url it is appended"
        yield url.problem(f"the url of task `{name}` has no host", hint)


def _away_problems(url: Part) -> Iterator[Problem]:
    """Parts of a path that lead up it, at the latest when a server has decoded them; an attempt refuses them too."""
    path = re.split("[?#]", EXPRESSION.sub("\0", url.value))[0]
    for segment in path.split("/"):
        if unquote(unquote(segment)) in {".", ".."}:
            message = f"a part of the url's path is `{segment}`, which leads elsewhere"
            yield url.problem(message, "write the path that is meant")
            return


def _elsewhere(url: Part, named: Part, declaration: Declaration) -> Iterator[Problem]:
    """An address of another server than that of the connection, to which nothing of it would be sent."""
    connection = declaration.connections.get(named.value)
    base = url_of(connection) if connection is not None else None
    if base is None or not (there := _origin(base.value)) or not (here := _origin(url.value)) or here == there:
        return
    without = f"write `{_spelt(url, f'connection: null, url: {_quoted(url.value)}')}`"
    hint = without if named.path[0] == "defaults" else "remove `connection`"
    yield url.problem(f"the url leads to another server than that of connection `{named.value}`", hint)


def _spelt(url: Part, options: str) -> str:
    """Options of an http task, as they are written where its url stands."""
    return options if url.path[-1] == "url" else f"http: {{{options}}}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None where they are not constant."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in WEB_PORTS or has_expression(parts.netloc):
        return None
    return parts.scheme, parts.hostname or "", port or WEB_PORTS[parts.scheme]


def _body_problems(name: str, http: Part) -> Iterator[Problem]:
    bodies = [key for key in _BODIES if key in http.value] if isinstance(http.value, dict) else []
    for key in bodies[1:]:
        yield http[key].problem(
            f"task `{name}` has two bodies, `{bodies[0]}` and `{key}`", "keep one of them", key=True
        )
    for key in ("query", "form"):
        values = http.get(key)
        if values is not None and isinstance(values.value, str) and not is_whole(values.value):
            message = f"`{key}` must be a mapping, or one expression that gives one"
            yield values.problem(message, f"write `{key}: {{NAME: value}}`")
    method = http.get("method")
    if method is None or has_expression(method.value):
        return
    if not _METHOD.fullmatch(method.value):
        yield method.problem(f"`{method.value}` is no method", "write e.g. `method: POST`")
    elif bodies and method.value.upper() in ("GET", "HEAD"):
        yield http[bodies[0]].problem(f"a {method.value.upper()} request has no body", "write `method: POST`", key=True)
