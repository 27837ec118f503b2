"""A task's body as it is carried out: its long form, with what `defaults` and the type itself say taken in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipectl.durations import parse_duration
from pipectl.spec.bodies import BODIES, as_texts, whole

_OF_SCRIPTS = frozenset({"interpreter"})
_OF_ROWS = frozenset({"fetch", "max_rows"})
_OF_QUERIES = _OF_ROWS | {"transaction", "render"}
_BY_TYPE: Mapping[str, Mapping[str, Any]] = {
    "sql": {"transaction": True, "once": False, "render": True},
    "http": {"url": "", "expect_status": ["2xx"]},
}


def task_body(kind: str, value: Any, defaults: Mapping[str, Any], connection: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a task of type `kind`; `defaults` are those of the type, `connection` is the one that it names.

    Defaults that have no effect on such a task are left out. What the connection says goes before them. A
    connection that is null takes the default one back.
    """
    own = BODIES[kind](value)
    inherited = {key: option for key, option in defaults.items() if key not in _without_effect(own)}
    if kind == "http":
        inherited = _besides(inherited, own, connection)
    body = {**_BY_TYPE.get(kind, {}), **BODIES[kind]({**inherited, **own})}
    if body.get("connection", "") is None:
        del body["connection"]
    for key in ("skip_exit_code", "max_rows"):
        if key in body:
            body[key] = whole(body[key])
    if "timeout" in body:
        body["timeout"] = parse_duration(body["timeout"])
    return body


def _without_effect(own: Mapping[str, Any]) -> frozenset[str]:
    if "argv" in own:
        return _OF_SCRIPTS
    if "load" in own:
        return _OF_QUERIES
    return _OF_ROWS if "save" in own else frozenset()


def _besides(inherited: dict[str, Any], own: dict[str, Any], connection: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults without what the connection says; headers of defaults become the task's."""
    said = {name.casefold() for one in (own, connection) for name in one.get("headers", ())}
    headers = {name: text for name, text in inherited.get("headers", {}).items() if name.casefold() not in said}
    if headers:
        own["headers"] = {**as_texts(headers), **own.get("headers", {})}
    return {key: option for key, option in inherited.items() if key != "headers" and key not in connection}
