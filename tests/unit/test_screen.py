"""What a terminal is sent: checked on one that is made of text."""

from __future__ import annotations

import pyte
from hypothesis import given
from hypothesis import strategies as st

from pipectl.reports.screen import frame

ROWS = st.lists(st.text("ab ━✗", max_size=19), max_size=6)


class Terminal:
    """A terminal of 20 columns with what has scrolled off its top."""

    def __init__(self, lines: int = 24) -> None:
        self.screen = pyte.HistoryScreen(20, lines, history=10_000)
        self.stream = pyte.Stream(self.screen)
        self.drawn: list[str] = []

    def show(self, said: list[str], region: list[str]) -> str:
        text = frame(self.drawn, said, region, (self.screen.columns, self.screen.lines))
        self.stream.feed(text)
        self.drawn = region
        return text

    def lines(self) -> list[str]:
        above = ["".join(row[i].data for i in range(self.screen.columns)) for row in self.screen.history.top]
        rows = [row.rstrip() for row in (*above, *self.screen.display)]
        while rows and not rows[-1]:
            rows.pop()
        return rows


def test_lines_that_stay_come_above_what_is_repainted() -> None:
    terminal = Terminal()
    terminal.show(["first"], ["one", "two"])
    terminal.show(["second"], ["one", "three"])
    assert terminal.lines() == ["first", "second", "one", "three"]


def test_row_that_did_not_change_is_not_sent_again() -> None:
    terminal = Terminal()
    terminal.show([], ["unchanged", "before"])
    sent = terminal.show([], ["unchanged", "after"])
    assert "unchanged" not in sent
    assert terminal.lines() == ["unchanged", "after"]
    assert terminal.show([], ["unchanged", "after"]) == ""


def test_narrower_terminal_is_cleared_of_all_rows_that_it_wrapped_to() -> None:
    assert frame(["x" * 39, "y"], [], ["new"], (20, 24)).startswith("\x1b[3A\r")


def test_cursor_is_never_hidden_and_wrapping_is_left_on() -> None:
    text = frame([], ["said"], ["row"], (20, 24))
    assert "\x1b[?25l" not in text
    assert text.rindex("\x1b[?7h") > text.rindex("\x1b[?7l")


def test_line_that_stays_may_be_longer_than_the_terminal_is_wide() -> None:
    terminal = Terminal()
    terminal.show([], ["row"])
    terminal.show(["x" * 50], ["row"])
    assert terminal.lines() == ["x" * 20, "x" * 20, "x" * 10, "row"]


@given(st.lists(st.tuples(ROWS, ROWS), max_size=20), st.integers(7, 24))
def test_after_any_paints_the_terminal_holds_what_stays_and_the_last_rows(
    paints: list[tuple[list[str], list[str]]], lines: int
) -> None:
    terminal = Terminal(lines)
    for said, region in paints:
        terminal.show(said, region)
    expected = [row.rstrip() for said, _ in paints for row in said] + [row.rstrip() for row in terminal.drawn]
    while expected and not expected[-1]:
        expected.pop()
    assert terminal.lines() == expected
    assert terminal.screen.cursor.x == 0
