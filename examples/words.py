"""Functions that `python.yaml` calls."""

from __future__ import annotations

import string
from collections import Counter


def count(text: str, top: int) -> list[dict[str, str | int]]:
    """The most frequent words of a text, with their numbers."""
    return [{"word": word, "number": number} for word, number in Counter(text.split()).most_common(top)]


def alphabet() -> str:
    """All lower-case letters."""
    return string.ascii_lowercase
