"""Where SQL text has quotes, comments and ends of statements, which each database says in its own way.

General SQL parsers know one mixture of all dialects, in which `'C:\\'` may not end and `#>` begins a comment. Here a
mistake is damage: a value put into a string, a statement cut in two. A text with expressions comes as parts: pieces of
text, and in between whatever stands for the values. A dialect is a name of SQLAlchemy's.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")

_VALUE = "\0"  # in place of a value while the text is read: no part of a word, a quote or the mark of a comment

_STRING = r"'(?:[^']|'')*+(?:'|\Z)"
_DOUBLE = r'"(?:[^"]|"")*+(?:"|\Z)'
_BACKTICKS = r"`(?:[^`]|``)*+(?:`|\Z)"
_BRACKETS = r"\[[^\]]*(?:\]|\Z)"
_ESCAPED = r"'(?:[^'\\]|''|\\.)*+(?:'|\\?\Z)"
_ESCAPED_DOUBLE = r'"(?:[^"\\]|""|\\.)*+(?:"|\\?\Z)'
_EXECUTED = r"/\*M?!.*?(?:\*/|\Z)"  # MySQL runs what is in it


@dataclass(frozen=True, slots=True)
class _Rules:
    """The lexical rules of a database. Block comments may nest; dollars may quote, as in `$tag$…$tag$`."""

    quotes: tuple[str, ...]
    comment: str = r"--[^\n]*"
    nested: bool = False
    dollars: bool = False


_POSTGRESQL = _Rules(("[eE]" + _ESCAPED, _STRING, _DOUBLE), comment=r"--[^\n\r]*", nested=True, dollars=True)
_MYSQL = _Rules((_ESCAPED, _ESCAPED_DOUBLE, _BACKTICKS, _EXECUTED), comment=r"(?:--(?=[\x01-\x20]|\Z)|\#)[^\n]*")
_RULES = {
    "sqlite": _Rules((_STRING, _DOUBLE, _BACKTICKS, _BRACKETS)),
    "postgresql": _POSTGRESQL,
    "duckdb": _POSTGRESQL,
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}
_STANDARD = _Rules((_STRING, _DOUBLE))

_COMMENT_MARKS = re.compile(r"/\*|\*/")
_ROUTINES = frozenset({"TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE"})
_OTHER_OBJECTS = frozenset({"TABLE", "VIEW", "INDEX", "SCHEMA", "DATABASE", "TYPE", "SEQUENCE", "RULE", "POLICY"})
_BLOCKS = frozenset({"IF", "LOOP", "WHILE", "REPEAT", "FOR"})
_BEFORE_BLOCKS = frozenset({";", "BEGIN", "ATOMIC", "THEN", "ELSE", "DO", "LOOP", "REPEAT"})
_BEFORE_BODIES = frozenset({"ROW", "DO", ")", "DETERMINISTIC", "DATA", "SQL", "DEFINER", "INVOKER"})
_OF_TRANSACTIONS = frozenset({"BEGIN", "COMMIT", "END", "ROLLBACK", "ABORT"})
_COMMITTING = frozenset(
    {"ALTER", "CREATE", "DROP", "RENAME", "TRUNCATE", "GRANT", "REVOKE", "LOCK", "OPTIMIZE", "REPAIR", "FLUSH", "RESET"}
)
_WORDS = 4  # so many tell what a statement is: CREATE OR REPLACE TEMPORARY


@dataclass(frozen=True, slots=True)
class Statement(Generic[Value]):
    """One statement: its text and values as they follow each other.

    `number` counts from 1 in its text; `words` are the first four, in capitals; `line` is its first line that is no
    comment, with `{{ … }}` for each value, and begins at `offset` of the text, in which a value is one character.
    """

    number: int
    offset: int
    parts: tuple[str | Value, ...]
    words: tuple[str, ...]
    line: str


def quoted(parts: Sequence[str | None], dialect: str | None = None) -> list[int]:
    """The indices of those values (None) that stand within quotes or comments.

    Without a dialect they are those that do in each database that pipectl knows.
    """
    if dialect is None:
        return sorted(set.intersection(*(set(quoted(parts, known)) for known in _RULES)))
    text, places = _joined(parts)
    found: list[int] = []
    for kind, start, end in _tokens(text, dialect):
        if kind in ("QUOTED", "COMMENT"):
            found += (index for _, index in _within(places, start, end))
    return found


def statements(parts: Sequence[str | Value], dialect: str) -> list[Statement[Value]]:
    """The statements of the text, each without the semicolon that ends it; empty ones and mere comments are left out.

    Semicolons in quotes, comments and parentheses and in the bodies of routines and triggers end nothing. What is
    left is as it was written, but for white space at the ends.
    """
    text, places = _joined([part if isinstance(part, str) else None for part in parts])
    found: list[Statement[Value]] = []
    for span in _spans(text, dialect):
        pieces: list[str | Value] = []
        at = span.start
        for place, index in _within(places, span.start, span.end):
            pieces += (text[at:place], parts[index]) if at < place else (parts[index],)
            at = place + 1
        if at < span.end:
            pieces.append(text[at : span.end])
        line = text[span.first : span.end].partition("\n")[0].rstrip().replace(_VALUE, "{{ … }}")
        found.append(Statement(len(found) + 1, span.first, tuple(pieces), tuple(span.words), line))
    return found


def objection(
    statement: Statement[Any], dialect: str | None, *, transaction: bool, once: bool
) -> tuple[str, str] | None:
    """Why a task cannot run the statement, and what to do, as far as its first words tell that.

    `transaction` and `once` are the options of the task.
    """
    words, word = statement.words, statement.words[0].lower() if statement.words else ""
    if statement.line.startswith("\\"):
        return f"`\\{word}` is a command of psql, not SQL", "files are read by `load` and written by `save`"
    if word == "delimiter":
        return "`delimiter` is a command of MySQL's client, not SQL", "remove it: bodies of routines are known without"
    if transaction and _is_of_transactions(words):
        return f"a task is one transaction already, without `{word}`", "remove it, or write `transaction: false`"
    if once and _RULES.get(dialect or "") is _MYSQL and _commits(words):
        message = f"`{word}` commits by itself, and a second attempt would do again what `once` is to do once"
        return message, "give it a task of its own, without `once`"
    return None


def _is_of_transactions(words: tuple[str, ...]) -> bool:
    if words[:1] == ("ROLLBACK",):
        return "TO" not in words[1:3]
    if words[:2] == ("BEGIN", "NOT"):
        return False
    return words[:2] == ("START", "TRANSACTION") or bool(_OF_TRANSACTIONS.intersection(words[:1]))


def _commits(words: tuple[str, ...]) -> bool:
    return bool(_COMMITTING.intersection(words[:1])) and not {"TEMPORARY", "PREPARE"}.intersection(words)


def _joined(parts: Sequence[str | None]) -> tuple[str, list[tuple[int, int]]]:
    """The text with a sign for each value, and the values' places in it with the indices of their parts."""
    places, length = [], 0
    for index, part in enumerate(parts):
        if part is None:
            places.append((length, index))
        length += 1 if part is None else len(part)
    return "".join(_VALUE if part is None else part for part in parts), places


def _within(places: list[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    return places[bisect_left(places, (start, -1)) : bisect_left(places, (end, -1))]


@cache
def _pattern(rules: _Rules) -> re.Pattern[str]:
    kinds = {
        "QUOTED": "|".join(rules.quotes),
        "COMMENT": rules.comment,
        "BLOCK": r"/\*",
        "DOLLARS": r"\$(?:[^\W\d]\w*)?\$" if rules.dollars else r"(?!)",
        "WORD": r"[\w\x80-\U0010ffff][\w$\x80-\U0010ffff]*",
        "MARK": r"[();]",
    }
    return re.compile("|".join(f"(?P<{kind}>{part})" for kind, part in kinds.items()), re.DOTALL)


def _tokens(text: str, dialect: str) -> Iterator[tuple[str, int, int]]:
    """Kind, start and end of what counts: QUOTED, COMMENT, WORD, MARK (a parenthesis or semicolon), OTHER."""
    rules = _RULES.get(dialect, _STANDARD)
    at = 0
    for kind, start, end in chain(_found(text, rules), [("", len(text), len(text))]):
        other = text[at:start].strip()
        if other:
            at = text.index(other, at)
            yield "OTHER", at, at + len(other)
        if kind:
            yield kind, start, end
        at = end


def _found(text: str, rules: _Rules) -> Iterator[tuple[str, int, int]]:
    pattern, at = _pattern(rules), 0
    while match := pattern.search(text, at):
        kind, start, at = match.lastgroup or "", match.start(), match.end()
        if kind == "BLOCK":
            kind, at = "COMMENT", _end_of_comment(text, at, nested=rules.nested)
        elif kind == "DOLLARS":
            closing = text.find(match[0], at)
            kind, at = "QUOTED", len(text) if closing < 0 else closing + len(match[0])
        yield kind, start, at


def _end_of_comment(text: str, at: int, *, nested: bool) -> int:
    depth = 1
    for mark in _COMMENT_MARKS.finditer(text, at):
        if mark[0] == "*/":
            depth -= 1
        elif nested:
            depth += 1
        if not depth:
            return mark.end()
    return len(text)


def _spans(text: str, dialect: str) -> Iterator[_Span]:
    span = _Span()
    for kind, start, end in _tokens(text, dialect):
        piece = text[start:end]
        if piece == ";" and not span.is_open:
            if not span.is_empty:
                yield span
            span = _Span()
        else:
            span.take(kind, piece, start, end)
    if not span.is_empty:
        yield span


class _Span:
    """Where a statement stands in its text: from `start` to `end`, its first token that is no comment at `first`.

    It is open as long as a semicolon would not end it. Its blocks, in the body of a routine or trigger, are the words
    that began them; a CASE that is an expression, and holds no statements, is a block without a word.
    """

    def __init__(self) -> None:
        self.start = self.first = -1
        self.end = 0
        self.words: list[str] = []
        self._is_routine: bool | None = None
        self._parentheses = 0
        self._blocks: list[str] = []
        self._before = ""

    @property
    def is_open(self) -> bool:
        return self._parentheses > 0 or bool(self._blocks)

    @property
    def is_empty(self) -> bool:
        return self.first < 0

    def take(self, kind: str, token: str, start: int, end: int) -> None:
        """Takes in the next token."""
        self.end = end
        if self.start < 0:
            self.start = start
        if kind == "COMMENT":
            return
        if self.is_empty:
            self.first = start
        token = token.upper()
        if kind == "WORD" and not self._before.endswith("."):
            self._take_word(token)
        elif kind == "MARK":
            self._parentheses += {"(": 1, ")": -1, ";": 0}[token]
        self._before = token

    def _take_word(self, word: str) -> None:
        if len(self.words) < _WORDS:
            self.words.append(word)
        if self._parentheses > 0:
            return
        if self._is_routine:
            self._take_word_of_routine(word)
        elif self.words[0] in ("CREATE", "EXPLAIN") and self._is_routine is None:
            self._is_routine = True if word in _ROUTINES else False if word in _OTHER_OBJECTS else None
        elif self.words == ["BEGIN", "NOT"]:  # MariaDB's block outside of a routine: BEGIN NOT ATOMIC
            self._is_routine, self._blocks = True, ["BEGIN"]

    def _take_word_of_routine(self, word: str) -> None:
        if word == "END":
            del self._blocks[-1:]
        elif word == "BEGIN" or (word in _BLOCKS and self._begins_statement):
            self._blocks.append(word)
        elif word == "CASE" and self._before != "END":
            self._blocks.append(word if self._begins_statement else "")

    @property
    def _begins_statement(self) -> bool:
        """Whether the next word is the first of a statement in a routine, or may be that of its body."""
        if self._before.endswith(":"):  # a label
            return True
        if not self._blocks:
            return self._before in _BEFORE_BODIES
        return self._blocks[-1] != "" and self._before in _BEFORE_BLOCKS
