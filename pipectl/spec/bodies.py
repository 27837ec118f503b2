"""The long forms of the task types: what a text or a list after `shell` or `python` stands for."""

from __future__ import annotations

import keyword
import re
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


def argument(element: Any) -> str:
    """An element of an argument vector as it was typed."""
    if isinstance(element, bool):
        return "true" if element else "false"
    return str(as_text(element))


def _one_line(text: str) -> bool:
    return "\n" not in text.strip()
