"""What tables in a terminal have in common."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from rich.console import Console
from rich.text import Text

_STYLES = {
    "success": "green",
    "cached": "green",
    "failed": "red",
    "upstream_failed": "magenta",
    "cancelled": "yellow",
    "interrupted": "yellow",
    "retrying": "yellow",
    "running": "cyan",
    "waiting": "blue",
    "skipped": "dim",
    "pending": "dim",
}
_ROOMY = 60  # columns from which on there is room between columns, and for a date with its time
_UNBOUNDED = 1 << 16


class Screen(Console):
    """Standard output: as wide as its terminal or COLUMNS, and without bounds where there is neither.

    Its caller decides what it means that nobody reads any more; rich would exit with 1.
    """

    def __init__(self) -> None:
        bounded = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal()
        super().__init__(highlight=False, width=None if bounded else _UNBOUNDED)

    def on_broken_pipe(self) -> None:
        """Raises BrokenPipeError."""
        raise BrokenPipeError

    @cached_property
    def is_roomy(self) -> bool:
        """Whether it is wide enough for what can be left out."""
        return self.width >= _ROOMY

    @property
    def gap(self) -> int:
        """How many blanks there are between columns."""
        return 3 if self.is_roomy else 1


def number(count: int, noun: str) -> str:
    """So many of something: `1 task`, `2 tasks`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def state_text(state: str, remark: str = "", *, words: str | None = None) -> Text:
    """The state, or what is to be said in its place, in the colour of the state, with a remark."""
    return Text(f"{words or state}{remark}", style=_STYLES.get(str(state), ""))


def moment(seconds: float, now: float, *, roomy: bool = True) -> str:
    """A moment in local time, without the day where that is today, and without the time of another day where not roomy.

    Both are seconds since the epoch.
    """
    then, today = datetime.fromtimestamp(seconds), datetime.fromtimestamp(now).date()
    if then.date() == today:
        return then.strftime("%H:%M")
    return then.strftime("%Y-%m-%d %H:%M" if roomy else "%Y-%m-%d")


def typed(params: Mapping[str, Any]) -> str:
    """The parameters as each can be typed after `-p`, on one line: text as it is, all else as JSON."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in params.items()
    }
    return " ".join(f"{name}={_shell_word(text)}" for name, text in texts.items())


def _shell_word(text: str) -> str:
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(c if c.isprintable() and c not in "\\'" else _escaped(c) for c in text) + "'"


def _escaped(character: str) -> str:
    """The character as bash reads it within `$'…'`."""
    known = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\'"}
    code = ord(character)
    return known.get(character) or (f"\\x{code:02x}" if code < 0x80 else f"\\U{code:08x}")
