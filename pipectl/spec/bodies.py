"""The long forms of the task types: what a text or a list after the name of a type stands for."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from typing import Any

from pipectl.spec.scalars import as_text

_IDENTIFIER = r"[^\W\d]\w*"
CALL = re.compile(rf"{_IDENTIFIER}(\.{_IDENTIFIER})*:{_IDENTIFIER}(\.{_IDENTIFIER})*")
_LONGEST_SHOWN = 500
_COMMAND_LINE = re.compile(r"[\w./~-]+\.py\s+[^\s=].*")
_WORD = re.compile(r"""(?:\{\{.*?\}\}|"[^"]*"|'[^']*'|[^\s'"])+""")
_DOTTED = re.compile(rf"{_IDENTIFIER}(\.{_IDENTIFIER})*")


def shell_body(value: Any) -> dict[str, Any]:
    """`{script}` for a text, `{argv}` for a list; the elements of `argv` are texts, numbers as they were typed."""
    body = dict(value) if isinstance(value, dict) else {"script" if isinstance(value, str) else "argv": value}
    if "argv" in body:
        body["argv"] = [argument(element) for element in body["argv"]]
    return body


def python_body(value: Any) -> dict[str, Any]:
    """`{call}`, `{script}` or `{code}` for a text; `args` are texts, `preload` is a list.

    A `with` that is one expression loses the white space around it, such as the last newline of a block: that would
    make a text of its value.
    """
    body = (
        dict(value) if isinstance(value, dict) else {python_kind(value): value.strip() if _one_line(value) else value}
    )
    if "args" in body:
        body["args"] = [argument(element) for element in body["args"]]
    if isinstance(body.get("with"), str):
        body["with"] = body["with"].strip()
    if isinstance(body.get("preload"), str):
        body["preload"] = [body["preload"]]
    return body


def sql_body(value: Any) -> dict[str, Any]:
    """`{query}` for a text; the names of columns in `load` are lists."""
    body = dict(value) if isinstance(value, dict) else {"query": value}
    if "load" in body:
        load = body["load"]
        lists = {key: listed(load[key]) for key in ("columns", "key") if key in load}
        body["load"] = {"mode": "append", **load, **lists}
    return body


def http_body(value: Any) -> dict[str, Any]:
    """`{url}` for a text; what is sent as text is text, numbers as they were typed; `expect_status` is a list."""
    body = dict(value) if isinstance(value, dict) else {"url": value}
    for key in ("headers", "query", "form"):
        if isinstance(body.get(key), dict):
            body[key] = as_texts(body[key])
    if "expect_status" in body:
        body["expect_status"] = [whole(status) for status in listed(body["expect_status"])]
    if "auth" in body:
        body["auth"] = credentials(body["auth"])
    return body


def credentials(auth: Mapping[str, Any]) -> dict[str, Any]:
    """`{bearer}`, or `{user, password}` with an empty password where there is none."""
    return dict(auth) if "bearer" in auth else {"user": "", "password": "", **auth}


def python_kind(text: str) -> str:
    """Which of `call`, `script` and `code` the short form of a Python task is."""
    line = text.strip()
    if not _one_line(text):
        return "code"
    if CALL.fullmatch(line):
        return "call"
    return "script" if line.endswith(".py") else "code"


def called_by_path(text: str) -> str:
    """The name of the function that a text such as `etl/load.py:main` means, else nothing."""
    found = re.fullmatch(rf"(?:\./)?([\w/]+)\.py:({_IDENTIFIER})", text.strip())
    return f"{found[1].replace('/', '.')}:{found[2]}" if found else ""


def script_with_arguments(text: str) -> list[str]:
    """The words of a short form that is a command line, such as `etl/load.py --fast`; nothing for any other."""
    line = text.strip()
    return [word.strip("'\"") for word in _WORD.findall(line[:_LONGEST_SHOWN])] if _COMMAND_LINE.fullmatch(line) else []


def names_no_function(text: str) -> bool:
    """Whether a short form is a dotted name without a colon: neither a function to call nor code that does anything."""
    line = text.strip()
    return bool(_DOTTED.fullmatch(line)) and not line.endswith(".py") and not keyword.iskeyword(line)


def as_texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a mapping, and those of lists in it, with numbers as they were typed: `3.10` stays `3.10`."""
    return {
        key: [as_text(item) for item in value] if isinstance(value, list) else as_text(value)
        for key, value in values.items()
    }


def whole(value: Any) -> Any:
    """A whole number as an integer: `3.0` is one in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def listed(value: Any) -> list[Any]:
    """A list as it is, any other value as the only one of a list."""
    return list(value) if isinstance(value, list) else [value]


def argument(element: Any) -> str:
    """An element of an argument vector as it was typed."""
    if isinstance(element, bool):
        return "true" if element else "false"
    return str(as_text(element))


def _one_line(text: str) -> bool:
    return "\n" not in text.strip()


BODIES: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "shell": shell_body,
    "python": python_body,
    "sql": sql_body,
    "http": http_body,
}
"""The types of task that run something, each with what makes its long form."""

TYPES = (*BODIES, "wait", "approve")
"""All types of task."""
