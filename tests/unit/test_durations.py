from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("10m", 600),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1d2h3m4s5ms", 93784.005),
        ("1.5h", 5400),
        ("90", 90),
        (90, 90),
        (0.25, 0.25),
        (0, 0),
    ],
)
def test_durations_are_read_in_every_unit(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", " ", "s", "10 m", "1x", "30s1h", "1s1s", "-1s", "+1s", "1e3", "1_0s", "٣s", "inf", "nan", "9" * 400 + "d"],
)
def test_what_is_not_a_duration_is_refused(text):
    with pytest.raises(ValueError, match="is not a duration such as"):
        parse_duration(text)


@pytest.mark.parametrize("number", [-1, -0.5, math.nan, math.inf, 10**400, True, None, [1]])
def test_numbers_that_are_no_time_are_refused(number):
    with pytest.raises(ValueError, match="is not a duration such as"):
        parse_duration(number)


@given(st.text(alphabet="0123456789.dhms- ", max_size=12))
def test_any_text_is_a_duration_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        assert parse_duration(text) >= 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (-3, "0ms"),
        (0.004, "4ms"),
        (0.0999, "0.1s"),
        (0.4, "0.4s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (12.2, "12s"),
        (59.7, "1m 00s"),
        (185, "3m 05s"),
        (3599.6, "1h 00m"),
        (3720, "1h 02m"),
        (86399, "1d 0h"),
        (183600, "2d 3h"),
        (100 * 86400, "100d 0h"),
    ],
)
def test_durations_are_shown_in_at_most_two_units(seconds, text):
    assert format_duration(seconds) == text


@given(st.floats(min_value=0.001, max_value=1e8))
def test_what_is_shown_is_close_to_what_it_was(seconds):
    shown = parse_duration(format_duration(seconds).replace(" ", ""))
    assert shown == pytest.approx(seconds, rel=0.51 if seconds < 0.002 else 0.15)
