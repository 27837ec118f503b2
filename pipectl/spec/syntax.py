"""What libyaml's complaints mean: its words name its own states, ours the mistake and its cure."""

from __future__ import annotations

import re
from typing import Any

from pipectl.errors import Problem
from pipectl.spec.source import Place, Source

_BRACES = re.compile(r"(?:[:\-,\[]\s+|\[)(\{\{)")
_LONGEST_SHOWN = 200
_TO_BRACKET = re.compile(r"(?:\{\{.*?\}\}|[^,\]}#])+")
_TO_COMMENT = re.compile(r".+?(?=\s+#|$)")
_BEFORE_A_BLOCK_VALUE = re.compile(r"\s*(?:- +)*(?:- +|[\w.-]+: +)")
_CONDITION = re.compile(r"\b(?:when|expect|allow_failure): +$")
_BRACKETS = {"flow sequence": ("[", "]"), "flow mapping": ("{", "}")}
_QUOTE = "put the whole value in quotes, or write it below as a block after `|`"

_BY_WORDS = (
    ("mapping values are not allowed", "a `:` is not allowed here", f"{_QUOTE}; or mend the indentation"),
    (
        "sequence entries are not allowed",
        "a list cannot begin on the line of its key",
        "begin it on the next line, or write `[a, b]`",
    ),
    ("mapping keys are not allowed", "a value cannot begin with `? `", _QUOTE),
    (
        "unknown escape character",
        "there is no such escape in double quotes",
        "use single quotes, or write the backslash twice",
    ),
    (
        "could not find expected ':'",
        "a key is without its `:`",
        "write `key: value`, or indent the line as part of the text above",
    ),
    (
        "expected '-' indicator",
        "this line is not an entry of the list above",
        "begin it with `- `, or mend its indentation",
    ),
    ("did not find expected <document start>", "the text goes on after its end", "is there a bracket too many?"),
    (
        "did not find expected comment or line break",
        "text follows `|` or `>` on the same line",
        "begin the text on the next line, indented",
    ),
)
_BY_CHARACTER = {
    "*": ("a value cannot begin with `*`, which names an alias", "write it in quotes: `'*'`"),
    "&": ("a value cannot begin with `&`, which names an anchor", _QUOTE),
    "!": ("a value cannot begin with `!`, which names a tag", _QUOTE),
    "}": ("a `}` closes nothing", _QUOTE),
    "]": ("a `]` closes nothing", _QUOTE),
}


def explain(source: Source, error: Any) -> Problem:
    """The problem behind a `yaml.MarkedYAMLError`, in the writer's words and where the mistake began."""
    words: str = error.problem or "this is not YAML"
    at = _place(error.problem_mark)
    began = _place(error.context_mark) if error.context_mark else at
    if braces := _braces_before(source, began, at):
        return braces
    if "tab character" in words or source.character(at) == "\t":
        return source.problem(at, "a tab cannot indent YAML", "indent with spaces")
    if "unexpected end of stream" in words and "quoted" in (error.context or ""):
        return source.problem(began, "the quote that opens here is never closed", "add the closing quote")
    for name, (opening, closing) in _BRACKETS.items():
        if name in (error.context or "") and source.character(began) == opening:
            return _in_brackets(source, opening, closing, began, at)
    for pattern, message, hint in _BY_WORDS:
        if pattern in words:
            return source.problem(at, message, hint)
    return _at_character(source, words, began, at)


def unquoted_braces(source: Source, place: Place) -> tuple[str, str]:
    """Message and hint for an expression without quotes, which YAML takes for a mapping."""
    line, start = source.line(place[0]), place[1] - 1
    to_end = _TO_COMMENT if _BEFORE_A_BLOCK_VALUE.fullmatch(line, 0, start) else _TO_BRACKET
    written = to_end.match(line, start, start + _LONGEST_SHOWN)
    text = written[0].strip().replace('"', "'") if written else "{{ … }}"
    if _CONDITION.search(line, 0, start):
        text = re.sub(r"\{\{\s*(.*?)\s*\}\}", r"\1", text)
    return "a value that begins with `{{` must be quoted: YAML takes it for a mapping", f'write `"{text}"`'


def _braces_before(source: Source, began: Place, at: Place) -> Problem | None:
    first = began[1] if began[0] == at[0] else 0
    for found in _BRACES.finditer(source.line(at[0])):
        place = (at[0], found.start(1) + 1)
        if first <= place[1] <= at[1]:
            return source.problem(place, *unquoted_braces(source, place))
    return None


def _in_brackets(source: Source, opening: str, closing: str, began: Place, at: Place) -> Problem:
    if source.character(at) == ":" and at[0] == began[0]:
        hint = "put the value in quotes, or write one key per line instead of braces"
        return source.problem(at, f"a `:` is not allowed in a value within `{opening}`", hint)
    return source.problem(began, f"the `{opening}` is not closed, or a comma is missing", f"close it with `{closing}`")


def _at_character(source: Source, words: str, began: Place, at: Place) -> Problem:
    character = source.character(began) if source.character(began) in "*&!" else source.character(at)
    before = source.line(began[0])[: began[1] - 1].rstrip()
    if character in _BY_CHARACTER and (not before or before[-1] in ":-[{,?"):
        return source.problem(at if character in "]}" else began, *_BY_CHARACTER[character])
    if "cannot start any token" in words:
        shown = "a backtick" if character == "`" else f"`{character}`"
        return source.problem(at, f"a value cannot begin with {shown}", _QUOTE)
    if "expected key" in words or character in _BY_CHARACTER:
        if source.line(at[0])[: at[1] - 1].strip():
            return source.problem(
                began if character in _BY_CHARACTER else at, "text follows a value that has ended", _QUOTE
            )
        return source.problem(
            at, "this line is indented unlike those it belongs to", "indent all keys of one mapping alike"
        )
    if "flow node" in words or not source.line(at[0]):
        return source.problem(at, "the file ends too early", "is a bracket not closed?")
    return source.problem(at, f"this is not YAML: {words}")


def _place(mark: Any) -> Place:
    return mark.line + 1, mark.column + 1
