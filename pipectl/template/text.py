"""Finds the expressions in a text. Jinja2 is not needed for that, and its import is worth avoiding."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipectl.template.errors import TemplateError

LONGEST = 10_000
"""An expression has at most this many characters."""

_TELLING = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[{}]""", re.DOTALL)

_BRACES = re.compile(r"""(['"]?)\{\{\s*(.*?)\s*\}\}\1""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Expression:
    """What stands between `{{` and `}}`; `offset` is where `source` starts in the text."""

    source: str
    offset: int


def has_expression(text: str) -> bool:
    """Whether the text is more than itself: it holds `{{`, or a `{%`, which rendering refuses."""
    return "{{" in text or "{%" in text


def is_expression(text: str) -> bool:
    """Whether the text is one expression and nothing beside it, whose value keeps its type. Raises as `split` does."""
    parts = split(text)
    return len(parts) == 1 and isinstance(parts[0], Expression)


def bare(condition: str | bool) -> str:
    """A condition as it is shown: on one line, without its braces."""
    text = condition if isinstance(condition, str) else str(condition).lower()
    text = " ".join(text.split())
    return text[2:-2].strip() if text.startswith("{{") and text.endswith("}}") else text


def split(text: str) -> list[str | Expression]:
    """The text as plain parts and expressions, in order; no part is empty.

    Raises TemplateError for braces that are not closed and for `{%`.
    """
    parts: list[str | Expression] = []
    position = 0
    while (start := text.find("{{", position)) >= 0:
        _add_plain(parts, text, position, start)
        end = _end_of_expression(text, start + 2)
        parts.append(_expression(text, start + 2, end))
        position = end + 2
    _add_plain(parts, text, position, len(text))
    return parts


def single(text: str) -> Expression:
    """The one expression that a condition is, its braces left out or not.

    Raises TemplateError where there is none, more than one, or text beside it.
    """
    parts = [part for part in split(text) if isinstance(part, Expression) or not part.isspace()]
    if not parts:
        raise TemplateError("the expression is empty")
    if len(parts) == 1:
        return parts[0] if isinstance(parts[0], Expression) else Expression(text, 0)
    bare = _BRACES.sub(r"\2", text).strip()
    raise TemplateError("a condition is one expression, and this mixes text and braces", 0, f"write `{bare}`")


def _add_plain(parts: list[str | Expression], text: str, start: int, end: int) -> None:
    statement = text.find("{%", start, end)
    if statement >= 0:
        hint = "write a choice as `{{ a if x else b }}`, and the characters themselves as `{{ '{%' }}`"
        raise TemplateError("`{% %}` statements are not supported, only expressions are", statement, hint)
    if end > start:
        parts.append(text[start:end])


def _end_of_expression(text: str, start: int) -> int:
    depth = 0
    for found in _TELLING.finditer(text, start, start + LONGEST + 2):
        if found[0] == "{":
            depth += 1
        elif found[0] == "}" and depth:
            depth -= 1
        elif found[0] == "}" and text.startswith("}}", found.start()):
            return found.start()
    if len(text) > start + LONGEST + 2:
        raise TemplateError(f"an expression has at most {LONGEST:,} characters", start - 2)
    raise TemplateError(
        "`{{` is not closed", start - 2, "close it by `}}`, or write `{{ '{{' }}` for the braces themselves"
    )


def _expression(text: str, start: int, end: int) -> Expression:
    source = text[start:end]
    if not source.strip():
        raise TemplateError("the braces hold no expression", start - 2)
    if source.startswith("-") or source.endswith("-"):
        hint = "leave the dash out; a negative number needs a space before it"
        raise TemplateError("`{{-` and `-}}` are not supported", start - 2, hint)
    return Expression(source, start)
