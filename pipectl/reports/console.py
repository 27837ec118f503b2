"""Standard error, which may go away without harm to the run."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from pipectl.reports.stream import write_text
from pipectl.reports.text import wants_colour


class Console:
    """Writes lines; silent from the moment that nobody reads them any more."""

    def __init__(self) -> None:
        self.colour = wants_colour()
        self.silent = False

    def say(self, lines: Iterable[str]) -> None:
        """Writes the lines in one piece, so that no other line comes between."""
        if self.silent:
            return
        try:
            write_text(sys.stderr, "\n".join(lines) + "\n")
        except (OSError, ValueError):
            self.silent = True
