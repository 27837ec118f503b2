"""Waits and approvals: what their short forms stand for, and their bodies as they are carried out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipectl.durations import parse_duration
from pipectl.spec.bodies import listed
from pipectl.spec.params import fragment
from pipectl.spec.scalars import as_text
from pipectl.spec.source import Part

KINDS = ("file", "http", "sql", "shell", "python", "run", "until", "for")
"""What a wait may be for; the kinds that are types of tasks look as a task of that type runs."""

TIMES = frozenset({"until", "for"})
"""The kinds whose end is known when they begin: there is nothing to look at."""

OF_ATTEMPTS = frozenset({"retries", "timeout", "expect", "pool", "resources", "cache", "priority"})
"""The keys of a task that mean nothing to one that only waits."""

_WEB = re.compile(r"https?://", re.IGNORECASE)
_INHERITED_SQL = ("connection", "render")


def holder(task: Part) -> Part:
    """The mapping in which a task says by a type what it runs: the task itself, or its wait in long form."""
    wait = task.get("wait")
    return task if wait is None else long_form(wait)


def long_form(wait: Part) -> Part:
    """A wait as a mapping. The value of a short form keeps its place."""
    return (
        wait if isinstance(wait.value, dict) else Part(wait.source, wait.path, {_kind_of_short(wait.value): wait.value})
    )


def kind_of(wait: Mapping[str, Any]) -> str | None:
    """What a wait in long form is for, None where it does not say."""
    return next((kind for kind in KINDS if kind in wait), None)


def is_duration(value: Any) -> bool:
    """Whether a value is one that `parse_duration` reads."""
    try:
        parse_duration(value)
    except ValueError:
        return False
    return True


def wait_body(wait: Mapping[str, Any], look: Mapping[str, Any] | None, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a wait in long form; `look` is that of the task by which it looks, `defaults` are those of waits.

    `timeout` is None for a time, which needs no limit.
    """
    kind = kind_of(wait) or ""
    said = {"interval": 10, "timeout": "1d", "on_timeout": "fail", **({} if kind in TIMES else defaults), **wait}
    return {
        "kind": kind,
        kind: look if look is not None else _plain(kind, wait[kind]),
        "interval": parse_duration(said["interval"]),
        "timeout": None if kind in TIMES else parse_duration(said["timeout"]),
        "on_timeout": said["on_timeout"],
        "expect": listed(wait.get("expect", [])),
    }


def inherited(kind: str, defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """The default options of a type that reach the looks of a wait: one by SQL only reads."""
    return {key: defaults[key] for key in _INHERITED_SQL if key in defaults} if kind == "sql" else defaults


def approve_body(value: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """`{question}` for a text, with all that is not said; `timeout` is None for no limit."""
    said = {**defaults, **(value if isinstance(value, dict) else {"question": value})}
    return {
        "question": said["question"],
        "params": {name: fragment(declared) for name, declared in said.get("params", {}).items()},
        "timeout": parse_duration(said["timeout"]) if "timeout" in said else None,
        "on_timeout": said.get("on_timeout", "fail"),
        "on_reject": said.get("on_reject", "fail"),
    }


def _kind_of_short(value: Any) -> str:
    if is_duration(value):
        return "for"
    return "http" if _WEB.match(value) else "file"


def _plain(kind: str, value: Any) -> Any:
    if kind == "run":
        return {"pipeline": value} if isinstance(value, str) else dict(value)
    if kind == "for" and is_duration(value):
        return parse_duration(value)
    return as_text(value)
