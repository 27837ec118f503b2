"""From a statement with values to the text and the parameters that its driver takes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipectl.sql_text import Statement
from pipectl.tasks.own import Fault

if TYPE_CHECKING:
    from pipectl.tasks.sql.databases.base import Database

Parameters = Sequence[Any] | Mapping[str, Any]
Value = Mapping[str, Any]
"""`value`, plain JSON, and `filter`: `identifier`, `literal` or nothing."""

IN = re.compile(r"\b(?P<negation>not\s+)?in\s*\(\s*\Z", re.IGNORECASE)
"""The end of a text that begins a list of values to compare with."""

_PLACEHOLDERS: Mapping[str, Callable[[int], str]] = {
    "qmark": lambda _: "?",
    "format": lambda _: "%s",
    "pyformat": lambda _: "%s",
    "numeric": lambda number: f":{number}",
    "named": lambda number: f":p{number}",
}


def bind(statement: Statement[Value], database: Database) -> tuple[str, Parameters]:
    """The statement as its driver wants it: each value a parameter, all other text as it was written.

    Raises Fault for a value that cannot stand where it does.
    """
    try:
        return compose(statement.parts, database)
    except Fault as fault:
        raise Fault(f"{described(statement)}: {fault}", *fault.kinds) from None


def compose(parts: Sequence[str | Value], database: Database) -> tuple[str, Parameters]:
    """The text and the parameters of these parts. Raises Fault as `bind` does."""
    return _Binding(database).bound(parts)


def described(statement: Statement[Any]) -> str:
    """The statement as it is named in messages: by its number and its first line."""
    line = statement.line
    return f"statement {statement.number} (`{line if len(line) <= 80 else line[:79] + '…'}`)"


class _Binding:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._pieces: list[str | None] = []  # None for a parameter
        self._values: list[Any] = []

    def bound(self, parts: Sequence[str | Value]) -> tuple[str, Parameters]:
        for number, part in enumerate(parts):
            following = parts[number + 1] if number + 1 < len(parts) else ""
            self._add(part, following if isinstance(following, str) else "")
        return self._text(), self._parameters()

    def _add(self, part: str | Value, following: str) -> None:
        if isinstance(part, str):
            self._pieces.append(part)
            return
        values = part["value"] if isinstance(part["value"], list) else [part["value"]]
        if not values:
            self._add_no_values(following)
        elif part["filter"] == "identifier":
            self._pieces.append(", ".join(map(self._identifier, values)))
        elif part["filter"] == "literal":
            self._pieces.append(", ".join(self._database.literal(plain(value)) for value in values))
        else:
            for value in values:
                self._pieces += (None, ", ")
                self._values.append(self._database.parameter(plain(value)))
            self._pieces.pop()

    def _add_no_values(self, following: str) -> None:
        before = (self._pieces[-1] if self._pieces else None) or ""
        if not IN.search(before) or not following.lstrip().startswith(")"):
            raise Fault("an empty list has no place but alone in the parentheses of `in`, where it finds no rows")
        self._pieces[-1:] = self._database.no_values(before)

    def _identifier(self, name: object) -> str:
        if not isinstance(name, str) or not name or "\0" in name:
            raise Fault(f"`identifier` takes a name, not `{name!r:.40}`")
        return self._database.identifier(name)

    def _text(self) -> str:
        style = self._database.style
        doubled = bool(self._values) and style in ("format", "pyformat")
        numbers = iter(range(1, len(self._values) + 1))
        placeholder = _PLACEHOLDERS[style]
        return "".join(
            placeholder(next(numbers)) if piece is None else piece.replace("%", "%%") if doubled else piece
            for piece in self._pieces
        )

    def _parameters(self) -> Parameters:
        if self._database.style == "named":
            return {f"p{number}": value for number, value in enumerate(self._values, 1)}
        return self._values


def plain(value: Any) -> Any:
    """The value as a database can hold it: a mapping or a list becomes JSON text. Raises Fault for broken text."""
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Fault("a value is no text: it holds half of a surrogate pair") from None
    return value
