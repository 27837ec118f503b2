"""Data written as YAML: read back it is the same, and people can read it."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipectl.authoring.text import to_yaml
from pipectl.spec.compose import parse
from pipectl.spec.scalars import as_text

WORDS = [
    *("on", "off", "yes", "No", "y", "n", "~", "null", "Null", "true", "False", "012", "0o17", "0x1f", "1_000", "1e3"),
    *("1.", ".5", "+5", "-0", "3.10", ".inf", ".nan", "12:30", "190:20:30", "2026-01-01", "2026-01-01T00:00:00Z"),
    *("<<", "=", "-", "?", ":", "---", "...", "|", ">", "&", "*", "!", "%", "@", "`", "#", "a#", "b:c", "c:"),
    *("{{x}}", "[a]", "{a}", "'a'", '"a"', "!!str", "a # b", " a", "a ", ""),
]
TRICKY = "{}[]:,-\n\t \"'|>&*#!%@`?~0\\1exoO+.<=\r\x00\x7f\x85\u2028\ufeff\ufdd0é\U0001f600"
TEXTS = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.text(st.sampled_from(TRICKY), max_size=9)
    | st.sampled_from(WORDS)
)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def same(written: Any, read: Any) -> bool:
    """Whether values, their types, their order and what numbers look like as text are equal."""
    if isinstance(written, dict):
        return list(written) == list(read) and all(same(written[key], read[key]) for key in written)
    if isinstance(written, list):
        return len(written) == len(read) and all(map(same, written, read))
    return bool(written == read) and isinstance(read, type(written)) and as_text(written) == as_text(read)


@settings(max_examples=500)
@given(DATA)
def test_data_written_and_read_back_is_the_same(data: Any) -> None:
    assert same(data, parse(to_yaml(data), "written").data)


@pytest.mark.parametrize("word", WORDS)
def test_text_that_looks_like_something_else_stays_text(word: str) -> None:
    assert parse(to_yaml({"key": word, word: "value"}), "written").data == {"key": word, word: "value"}


@pytest.mark.parametrize("word", ["on", "yes", "012", "1e3", "12:30", "2026-01-01", "null"])
def test_text_that_another_reader_takes_for_a_value_is_quoted(word: str) -> None:
    assert to_yaml([[word, "plain"]]) == f"- ['{word}', plain]\n"


def test_scripts_are_blocks_lists_of_words_are_short_and_the_order_is_kept() -> None:
    data = {
        "tasks": {
            "b": {"needs": ["c", "a"], "shell": "set -e\nif true; then\n\techo 'yes'  # tabs too\nfi\n"},
            "a": {"shell": ["echo", "{{ item }}"], "foreach": [{"x": 1}, {"x": 2}], "description": "why: é"},
            "c": {},
        }
    }
    assert to_yaml(data) == textwrap.dedent(
        """\
        tasks:
          b:
            needs: [c, a]
            shell: |
              set -e
              if true; then
              \techo 'yes'  # tabs too
              fi
          a:
            shell: [echo, '{{ item }}']
            foreach:
              - x: 1
              - x: 2
            description: 'why: é'
          c: {}
        """
    )


def test_list_that_stands_twice_is_written_twice() -> None:
    twice = ["a"]
    assert to_yaml({"x": twice, "y": twice}) == "x: [a]\ny: [a]\n"
