"""What tables in a terminal have in common."""

from __future__ import annotations

from datetime import datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
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
    "skipped": "dim",
    "pending": "dim",
}
_RIGHT = frozenset({"attempts", "took"})
_WHOLE = frozenset({"run", "state", "started"})
_ROOMY = 60  # columns from which on there is room between columns, and for a date with its time


class Screen(Console):
    """Lets its caller decide what it means that nobody reads any more; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        """Raises BrokenPipeError."""
        raise BrokenPipeError

    @property
    def is_roomy(self) -> bool:
        """Whether it is wide enough for what can be left out."""
        return self.width >= _ROOMY


def new_table(*headings: str, roomy: bool = True) -> Table:
    """An empty table with these columns."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1 if roomy else 0))
    for heading in headings:
        right = heading in _RIGHT
        whole = right or heading in _WHOLE
        table.add_column(heading, justify="right" if right else "left", no_wrap=whole, overflow="ellipsis")
    return table


def state_text(state: str, remark: str = "") -> Text:
    """The state in its colour, with a remark."""
    return Text(f"{state}{remark}", style=_STYLES.get(str(state), ""))


def moment(seconds: float, now: float, *, roomy: bool = True) -> str:
    """A moment in local time, without the day where that is today, and without the time of another day where not roomy.

    Both are seconds since the epoch.
    """
    then, today = datetime.fromtimestamp(seconds), datetime.fromtimestamp(now).date()
    if then.date() == today:
        return then.strftime("%H:%M")
    return then.strftime("%Y-%m-%d %H:%M" if roomy else "%Y-%m-%d")
