"""Lines by the cell: how wide text is on a terminal, and text cut to a width.

Terminals disagree about what joiners and variation selectors do to the characters around them; text that must fit
does without them, so that its width is the sum of its characters'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipectl.reports.text import clean, coloured

Piece = tuple[str, str]
"""Text and the code of its colour, empty for none."""

_SPACES = re.compile(r"\s+")
_SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE10)))


def one_line(text: str) -> str:
    """The text as one line in which every character is seen, and takes a place of its own."""
    text = _SPACES.sub(" ", clean(text))
    if text.isascii():
        return text
    return "".join(c for c in text if c.isprintable() and c not in _SELECTORS)


def cells(text: str) -> int:
    """How many cells of a terminal the text takes, which `one_line` gave."""
    if text.isascii():
        return len(text)
    from rich.cells import get_character_cell_size

    return sum(map(get_character_cell_size, text))


def cut(text: str, width: int) -> str:
    """The text within so many cells; where something is cut off, the last is `…`."""
    if cells(text) <= width:
        return text
    if width <= 0:
        return ""
    kept, room = "", width - 1
    for character in text:
        room -= cells(character)
        if room < 0:
            break
        kept += character
    return kept + "…"


def padded(text: str, width: int) -> str:
    """The text in exactly so many cells."""
    text = cut(text, width)
    return text + " " * (width - cells(text))


def fit(pieces: Iterable[Piece], width: int, *, colour: bool) -> str:
    """The pieces as one line within so many cells, its end cut off where they are wider."""
    line = ""
    for text, code in pieces:
        shown = cut(text, width)
        line += coloured(shown, code, colour)
        width -= cells(shown)
        if shown != text:
            break
    return line
