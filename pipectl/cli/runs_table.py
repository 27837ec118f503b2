"""The table of `runs`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.text import Text

from pipectl.cli.tables import Screen, moment, new_table, state_text
from pipectl.durations import format_duration
from pipectl.model import RunState
from pipectl.reports.text import clean
from pipectl.store.rows import Run


def print_runs(runs: Sequence[Run]) -> None:
    """The runs, one a line; on a narrow terminal the beginnings of their ids, which name them as well."""
    screen, now = Screen(highlight=False), time.time()
    roomy = screen.is_roomy
    table = new_table("run", "pipeline", "state", "started", *(("took", "params") if roomy else ()), roomy=roomy)
    table.columns[1].no_wrap = True
    for run in runs:
        started = moment(run.started, now, roomy=roomy)
        cells = [Text(run.id if roomy else run.id[:8]), Text(run.pipeline), state_text(run.state), Text(started)]
        params = " ".join(f"{name}={value}" for name, value in run.params.items())
        further = [Text(took(run, now)), Text(clean(params), overflow="ellipsis", no_wrap=True)]
        table.add_row(*cells, *(further if roomy else ()))
    screen.print(table)


def took(run: Run, now: float) -> str:
    """How long the run took, or takes so far; empty where nobody knows."""
    if run.state is RunState.RUNNING:
        return format_duration(run.seconds + max(0.0, now - run.taken))
    return "" if run.ended is None else format_duration(run.seconds)
