"""The rows that a live run repaints."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pipectl.model import State
from pipectl.reports.marks import marks_for
from pipectl.reports.region import Active, Standing, Waiting, paint, rows_for
from pipectl.reports.text import uncoloured

UTF8 = marks_for("utf-8")
STANDING = Standing(
    counts={State.PENDING: 20, State.RUNNING: 2, State.RETRYING: 1, State.SUCCESS: 15, State.FAILED: 2},
    elapsed=14.2,
    remaining=32.0,
    active=[
        Active("fetch", State.RUNNING, 12.0, said="part 7 of 9"),
        Active("train", State.RUNNING, 2.04, attempt=2),
        Active("publish", State.RETRYING, 8.0, attempt=1),
    ],
    waiting=[Waiting("load", ["fetch"]), Waiting("report", ["train", "load"], more=3)],
)


def painted(standing: Standing, columns: int = 80, lines: int = 24) -> list[str]:
    return paint(standing, columns, lines, UTF8, colour=False)


def test_rows_say_what_runs_what_waits_and_how_far_the_run_is() -> None:
    assert painted(STANDING) == [
        "▸ fetch       12s  part 7 of 9",
        "▸ train      2.0s attempt 2",
        "↻ publish attempt 2 in 8.0s",
        "· load    waits for fetch",
        "· report  waits for train, load and 3 more",
        "━━━━━╌╌╌╌╌╌  17/40  2 failed  2 running  1 retrying  20 pending  14s  ~32s left",
    ]


def test_narrow_terminal_keeps_what_matters_most() -> None:
    assert painted(STANDING, columns=40)[-1] == "17/40  2 failed  14s  ~32s left"
    assert painted(STANDING, columns=15) == ["17/40"]
    assert painted(STANDING, lines=2) == painted(STANDING)[-1:]


def test_what_has_no_row_is_counted() -> None:
    many = [Active(f"t{number}", State.RUNNING, 1.0) for number in range(12)]
    rows = painted(Standing({State.RUNNING: 5000}, elapsed=1.0, active=many), lines=24)
    assert len(rows) == rows_for(24)
    assert rows[-2] == "  … and 4,994 more"


def test_stopping_run_says_so_in_place_of_what_remains() -> None:
    rows = painted(Standing({State.RUNNING: 1}, elapsed=1.0, remaining=5.0, stopping="SIGINT"))
    assert rows[-1].endswith("stopping: SIGINT")


def test_estimate_that_has_run_out_is_not_told() -> None:
    assert "left" not in painted(Standing({State.RUNNING: 1}, elapsed=9.0, remaining=0.2))[-1]


def test_without_utf8_all_is_ascii() -> None:
    rows = paint(STANDING, 80, 24, marks_for("ANSI_X3.4-1968"), colour=False)
    assert all(row.isascii() for row in rows)


def test_colours_are_of_the_palette_and_never_of_the_background() -> None:
    codes = {
        code for row in paint(STANDING, 80, 24, UTF8, colour=True) for code in re.findall(r"\x1b\[([0-9;]*)m", row)
    }
    assert codes <= {"0", "1", "2", *map(str, range(31, 37))}


NAMES = st.text(min_size=1, max_size=50)
SECONDS = st.floats(-10.0, 1e7)
STANDINGS = st.builds(
    Standing,
    counts=st.dictionaries(st.sampled_from(State), st.integers(0, 10**5)),
    elapsed=SECONDS,
    remaining=st.none() | SECONDS,
    stopping=st.none() | NAMES,
    active=st.lists(
        st.builds(
            Active,
            name=NAMES,
            state=st.sampled_from([State.RUNNING, State.RETRYING]),
            seconds=SECONDS,
            attempt=st.integers(1, 99),
            said=st.text() | st.binary().map(lambda data: data.decode(errors="ignore")),
        ),
        max_size=12,
    ),
    waiting=st.lists(st.builds(Waiting, NAMES, st.lists(NAMES, max_size=3), st.integers(0, 5000)), max_size=12),
)


@given(STANDINGS, st.integers(1, 250), st.integers(1, 80), st.sampled_from(["utf-8", "ascii"]))
def test_whatever_runs_the_rows_fit_the_terminal(standing: Standing, columns: int, lines: int, encoding: str) -> None:
    rows = paint(standing, columns, lines, marks_for(encoding), colour=True)
    assert 1 <= len(rows) <= rows_for(lines) <= max(1, lines // 3)
    for row in rows:
        assert uncoloured(row).isprintable()
        assert cell_len(uncoloured(row)) < columns or not row


def test_failures_that_are_allowed_are_told_as_such() -> None:
    assert "1 failed (allowed)" in painted(Standing({State.FAILED: 1}, elapsed=1.0, allowed=1))[-1]
    assert "3 failed (1 allowed)" in painted(Standing({State.FAILED: 3}, elapsed=1.0, allowed=1))[-1]
