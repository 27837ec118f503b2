"""What is left of a table that is too long to be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from pipectl.model import State
from pipectl.reports.text import counted
from pipectl.run_view import InstanceView

_MOST_ROWS = 50
_FIRST = {State.FAILED: 0, State.RUNNING: 1, State.RETRYING: 1, State.WAITING: 1, State.CANCELLED: 2}


class _Row(Protocol):
    @property
    def state(self) -> State: ...

    @property
    def duration(self) -> float | None: ...


_AnyRow = TypeVar("_AnyRow", bound=_Row)


def notable(rows: Sequence[InstanceView]) -> tuple[list[InstanceView], str]:
    """The rows that somebody looks for first, in the order given, and a line that tells of the others.

    The line is empty where there are no others.
    """
    kept = first(rows)
    names = {one.name for one in kept}
    return kept, further(one for one in rows if one.name not in names)


def first(rows: Sequence[_AnyRow]) -> list[_AnyRow]:
    """Those of the rows that somebody looks for first, in the order given.

    What failed goes before what goes on, and that before what took longest.
    """
    ranked = sorted(range(len(rows)), key=lambda i: (_FIRST.get(rows[i].state, 3), -(rows[i].duration or 0.0)))
    return [rows[i] for i in sorted(ranked[:_MOST_ROWS])]


def further(others: Iterable[InstanceView]) -> str:
    """A line that tells of instances which are not shown, empty where there are none."""
    counts = Counter(one.state for one in others)
    told = counted({state: counts[state] for state in State if counts[state]})
    return f"and {counts.total():,} more: {told}; `--all` shows them" if counts else ""
