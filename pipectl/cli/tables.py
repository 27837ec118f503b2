"""Tables of runs and tasks for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipectl.durations import format_duration
from pipectl.reports.text import clean
from pipectl.run_view import RunView
from pipectl.store.rows import Run

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


class _Console(Console):
    """Lets its caller decide what it means that nobody reads any more; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def print_runs(runs: Sequence[Run]) -> None:
    """The runs as a table."""
    table = _table("run", "pipeline", "state", "started", "took", "params")
    for run in runs:
        params = " ".join(f"{name}={value}" for name, value in run.params.items())
        table.add_row(
            Text(run.id),
            Text(run.pipeline),
            _state(run.state),
            Text(_moment(run.started)),
            Text("" if run.ended is None else format_duration(run.seconds)),
            Text(clean(params), overflow="ellipsis", no_wrap=True),
        )
    _Console(highlight=False).print(table)


def print_run(run: Run, view: RunView) -> None:
    """One run: what it is, then its tasks as a table."""
    console = _Console(highlight=False)
    took = "" if run.ended is None else f" in {format_duration(run.seconds)}"
    heading = Text(f"run {run.id} of {run.pipeline}: ").append(_state(run.state)).append(f"{took}")
    console.print(heading)
    console.print(Text(f"started {_moment(run.started)}, for {run.logical_time.isoformat()}", style="dim"))
    table = _table("task", "state", "attempts", "took", "")
    for one in view.instances.values():
        table.add_row(
            Text(one.name),
            _state(one.state),
            Text(str(one.attempts or "")),
            Text("" if one.duration is None else format_duration(one.duration)),
            Text(clean(one.error or (f"by its {one.closed_by}" if one.closed_by else ""))),
        )
    console.print(table)


def _table(*headings: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in headings:
        right = heading in {"took", "attempts"}
        table.add_column(heading, justify="right" if right else "left", no_wrap=heading in {"run", "state", "started"})
    return table


def _state(state: str) -> Text:
    return Text(str(state), style=_STYLES.get(str(state), ""))


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")
