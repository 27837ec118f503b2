"""Expressions in SQL: each is a bound parameter, so none may stand where a database reads text and no parameter."""

from __future__ import annotations

import re

from pipectl.errors import Problem
from pipectl.spec.source import Part
from pipectl.sql_text import quoted
from pipectl.template import TemplateError
from pipectl.template.text import split

_OPENED = re.compile(
    r"(?:\b(?P<type>date|time|timestamp|timestamptz|interval)\s*)?(?P<quote>['\"`])(?P<text>[^'\"`\n]*)\Z", re.I
)
_CLOSED = re.compile(r"(?P<text>[^'\"`\n]*)(?P<quote>['\"`])")
_COMMENT = re.compile(r"(?:(?:--|\#)[^\n]*|/\*(?:(?!\*/).)*)\Z", re.DOTALL)
_PLAIN = re.compile(r"[\w.]+")
_NEAR = 1000
_LEAVE_ALONE = "`render: false` leaves all braces in the SQL alone"


def in_quotes(sql: Part, dialect: str | None) -> tuple[list[Problem], str]:
    """What is wrong with the braces of an SQL text, and the text without the expressions that are told so.

    The text is as long as it was: what stands in it keeps its place.
    """
    text: str = sql.value
    try:
        parts = split(text)
    except TemplateError as error:
        is_of_braces = text.startswith("{", error.offset)
        return [sql.problem(error.message, _LEAVE_ALONE if is_of_braces else error.hint, offset=error.offset)], ""
    inside = set(quoted([part if isinstance(part, str) else None for part in parts], dialect))
    problems, rest = [], []
    for index, part in enumerate(parts):
        if isinstance(part, str):
            rest.append(part)
            continue
        start, end = part.offset - 2, part.offset + len(part.source) + 2
        rest.append(" " * (end - start) if index in inside else text[start:end])
        if index in inside:
            hint = _mend(text[max(0, start - _NEAR) : start], part.source.strip(), text[end : end + _NEAR])
            message = f"`{text[start:end]}` stands within quotes or a comment, where no value is bound"
            problems.append(sql.problem(message, hint, offset=start))
    return problems, "".join(rest)


def _mend(before: str, source: str, after: str) -> str:
    opened, closed = _OPENED.search(before), _CLOSED.match(after)
    if opened and closed and opened["quote"] == closed["quote"] and "{{" not in opened["text"] + closed["text"]:
        if opened["quote"] != "'" and not opened["text"] + closed["text"]:
            return f"write `{{{{ {source} | identifier }}}}` without the quotes"
        if opened["quote"] == "'":
            return _as_one(opened["text"], source, closed["text"], opened["type"])
    elif _COMMENT.search(before):
        return f"take it out of the comment; {_LEAVE_ALONE}"
    return f"write `{{{{ 'text' ~ {source} }}}}` in place of the quotes and all in them; {_LEAVE_ALONE}"


def _as_one(before: str, source: str, after: str, type_name: str | None) -> str:
    if before or after:
        source = source if _PLAIN.fullmatch(source) else f"({source})"
        source = " ~ ".join([*([f"'{before}'"] if before else []), source, *([f"'{after}'"] if after else [])])
    if type_name:
        return f"write `cast({{{{ {source} }}}} as {type_name.lower()})` in place of the quotes and all in them"
    return f"write `{{{{ {source} }}}}` in place of the quotes and all in them"
