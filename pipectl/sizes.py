"""Amounts of memory and of disk as people read them; the program itself counts in bytes."""

from __future__ import annotations

import re

_WRITTEN = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGT])(?:i?B|i)?")
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(value: str | int | float) -> int:
    """The bytes that `512M`, `4G`, `4GiB` or a number of bytes stands for; units are powers of 1024.

    Raises ValueError for any other text.
    """
    if not isinstance(value, str):
        return int(value)
    written = _WRITTEN.fullmatch(value)
    if written is None:
        raise ValueError(f"`{value:.40}` is not a size such as `512M` or `4G`")
    return int(float(written[1]) * 1024 ** _POWERS[written[2]])


def format_size(count: int) -> str:
    """The bytes for people: `37 B`, `1.5 KiB`, `512 MiB`, `4 GiB`."""
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if size >= 9.95 or size.is_integer() else f"{size:.1f} {unit}"
