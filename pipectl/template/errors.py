"""The one error of expressions, and how it names things."""

from __future__ import annotations

from collections.abc import Iterable


class TemplateError(ValueError):
    """An expression that cannot be read, or cannot be computed.

    `message` is one sentence; `offset` is the place in the text, counted from 0, where it is known, else 0; `hint`
    is the text to type, or empty.
    """

    def __init__(self, message: str, offset: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.hint = hint

    def within(self, what: str) -> TemplateError:
        """The same, with what the text is of."""
        return TemplateError(f"{what}: {self.message}", self.offset, self.hint)


def near(word: str, known: Iterable[str]) -> str:
    """The hint for a misspelt word: the closest of those known, or a few of them, or nothing."""
    from difflib import get_close_matches

    words = sorted(known)
    close = get_close_matches(word, words, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"known here: {', '.join(f'`{w}`' for w in words)}" if 0 < len(words) <= 8 else ""


def shorten(text: str, longest: int = 60) -> str:
    """The text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
