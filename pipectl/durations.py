"""Durations as people write and read them; the program itself counts in seconds."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_WRITTEN = re.compile("".join(rf"(?:{_NUMBER}{unit}{'(?!s)' if unit == 'm' else ''})?" for unit in _UNITS))
_BARE = re.compile(_NUMBER)


def iso_moment(seconds: float) -> str:
    """A moment, in seconds since the epoch, as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def parse_duration(text: str | int | float) -> float:
    """The seconds that `500ms`, `30s`, `10m`, `1h30m`, `2d` or a number of seconds stand for.

    Units go from the largest to the smallest, each at most once. Raises ValueError for all else, what is negative
    or not finite included.
    """
    seconds = _seconds(text)
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"`{text!s:.40}` is not a duration such as `500ms`, `30s`, `10m`, `1h30m` or `2d`")
    return seconds


def _seconds(text: str | int | float) -> float | None:
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return _finite(text)
    if not isinstance(text, str):
        return None
    if _BARE.fullmatch(text):
        return float(text)
    written = _WRITTEN.fullmatch(text)
    if not text or not written:
        return None
    return sum(float(number) * unit for number, unit in zip(written.groups(), _UNITS.values(), strict=True) if number)


def _finite(number: int | float) -> float | None:
    try:
        return float(number)
    except OverflowError:
        return None


def format_duration(seconds: float) -> str:
    """The duration for people, in at most two units: `40ms`, `0.4s`, `12s`, `3m 05s`, `1h 02m`, `2d 3h`."""
    if seconds < 0.0995:
        return f"{max(0.0, seconds) * 1000:.0f}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    minutes = round(seconds / 60)
    if minutes < 1440:
        return f"{minutes // 60}h {minutes % 60:02d}m"
    hours = round(seconds / 3600)
    return f"{hours // 24}d {hours % 24}h"
