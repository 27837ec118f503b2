"""Text for people: what tasks print can do nothing to a terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence

from pipectl.model import State

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|[ -/]*[0-~]?)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Control characters but tab and newline, and those that turn the direction of text.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")

COLOURS = {
    State.SUCCESS: "32",
    State.CACHED: "32",
    State.FAILED: "31",
    State.UPSTREAM_FAILED: "35",
    State.CANCELLED: "33",
    State.SKIPPED: "2",
    State.RETRYING: "33",
    State.WAITING: "34",
    State.RUNNING: "36",
}


def clean(text: str) -> str:
    """The text without what a terminal would act on; of a line rewritten by carriage returns, its last state."""
    if _CONTROL.search(text) is None:
        return text
    text = _SEQUENCE.sub("", text.replace("\r\n", "\n"))
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return _CONTROL.sub("", text)


def wants_colour() -> bool:
    """Whether what goes to standard error may have colour (https://no-color.org, https://force-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or can_repaint()


def can_repaint() -> bool:
    """Whether standard error is a terminal that can move its cursor."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in {"", "dumb", "unknown"}


def coloured(text: str, code: str | None, on: bool) -> str:
    """The text in a colour, where colour is wanted."""
    return f"\x1b[{code}m{text}\x1b[0m" if on and code else text


def uncoloured(text: str) -> str:
    """The text without what `coloured` added."""
    return _COLOUR.sub("", text)


def counted(counts: Mapping[State, int], allowed: int = 0) -> str:
    """Counts of states as words: `3 success, 2 failed (1 allowed)`; `allowed` failures do not fail the run."""
    remarks = {State.FAILED: allowed_text(counts.get(State.FAILED, 0), allowed)}
    return ", ".join(f"{count:,} {state}{remarks.get(state, '')}" for state, count in counts.items())


def allowed_text(failed: int, allowed: int) -> str:
    """What stands behind a count of failures: how many of them do not fail the run."""
    return "" if not allowed else " (allowed)" if allowed == failed else f" ({allowed:,} allowed)"


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first of the names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
