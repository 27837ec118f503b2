"""What is left of a table that is too long to be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pipectl.model import State
from pipectl.reports.text import counted
from pipectl.run_view import InstanceView

_MOST_ROWS = 50
_FIRST = {State.FAILED: 0, State.RUNNING: 1, State.RETRYING: 1, State.CANCELLED: 2}


def notable(rows: Sequence[InstanceView]) -> tuple[list[InstanceView], str]:
    """The rows that somebody looks for first, in the order given, and a line that tells of the others.

    What failed goes before what runs, and that before what took longest. The line is empty where there are no others.
    """
    ranked = sorted(rows, key=lambda one: (_FIRST.get(one.state, 3), -(one.duration or 0.0)))
    kept = {one.name for one in ranked[:_MOST_ROWS]}
    others = Counter(one.state for one in ranked[_MOST_ROWS:])
    told = counted({state: others[state] for state in State if others[state]})
    line = f"and {others.total():,} more: {told}; `--all` shows them" if others else ""
    return [one for one in rows if one.name in kept], line
