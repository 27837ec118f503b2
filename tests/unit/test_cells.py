"""Text by the cell: what a terminal shows is never wider than it was told to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pipectl.reports.cells import cells, cut, fit, one_line, padded
from pipectl.reports.text import uncoloured


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb\nc", "a b c"),
        ("10%\r50%\r", "50%"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07", "red "),
        ("zero\u200bwidth \u202eturned", "zerowidth turned"),
        ("family 👩\u200d👩\u200d👧, scissors ✂\ufe0f", "family 👩👩👧, scissors ✂"),
    ],
)
def test_one_line_keeps_what_is_seen(text: str, shown: str) -> None:
    assert one_line(text) == shown


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("👩", 2), ("━✗", 2)])
def test_cells_are_those_of_a_terminal(text: str, width: int) -> None:
    assert cells(text) == width


def test_cut_text_ends_in_an_ellipsis_and_never_in_half_a_character() -> None:
    assert cut("abcdef", 4) == "abc…"
    assert cut("日本語", 6) == "日本語"
    assert cut("日本語", 5) == "日本…"
    assert cut("日本語", 4) == "日…"
    assert cut("abc", 0) == ""


@given(st.text(), st.integers(0, 40))
def test_padded_text_takes_just_its_cells(text: str, width: int) -> None:
    assert cell_len(padded(one_line(text), width)) == width


@given(st.lists(st.tuples(st.text(), st.sampled_from(["", "2", "31"]))), st.integers(0, 60), st.booleans())
def test_line_of_any_pieces_fits(pieces: list[tuple[str, str]], width: int, colour: bool) -> None:
    line = uncoloured(fit([(one_line(text), code) for text, code in pieces], width, colour=colour))
    assert cell_len(line) <= width
    assert line.isprintable()
