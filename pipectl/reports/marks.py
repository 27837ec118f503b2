"""The signs that states and times are drawn with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipectl.model import State


@dataclass(frozen=True, slots=True)
class Marks:
    """A set of signs, each one cell wide: of states, and what bars are made of."""

    states: Mapping[State, str]
    full: str
    empty: str
    waiting: str
    bad: str


_PLAIN = Marks(
    {
        State.PENDING: ".",
        State.QUEUED: ".",
        State.RUNNING: ">",
        State.RETRYING: "~",
        State.WAITING: "?",
        State.SUCCESS: "+",
        State.CACHED: "+",
        State.FAILED: "x",
        State.SKIPPED: "-",
        State.UPSTREAM_FAILED: "-",
        State.CANCELLED: "-",
    },
    full="=",
    empty="-",
    waiting=".",
    bad="x",
)
_FINE = Marks(
    {
        **_PLAIN.states,
        State.PENDING: "·",
        State.QUEUED: "·",
        State.RUNNING: "▸",
        State.RETRYING: "↻",
        State.WAITING: "◦",
        State.SUCCESS: "✓",
        State.CACHED: "✓",
        State.FAILED: "✗",
    },
    full="━",
    empty="╌",
    waiting="╌",
    bad="✗",
)


def marks_for(encoding: str | None) -> Marks:
    """The signs that a stream of this encoding can show."""
    return _FINE if (encoding or "").lower().replace("-", "") == "utf8" else _PLAIN
