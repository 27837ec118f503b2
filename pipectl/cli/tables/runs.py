"""The table of `runs`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.text import Text

from pipectl.cli.tables.row_list import print_rows
from pipectl.cli.tables.screen import Screen, moment, state_text, typed
from pipectl.durations import format_duration
from pipectl.model import RunState
from pipectl.store.rows import Run


def print_runs(runs: Sequence[Run]) -> None:
    """The runs, one a line; on a narrow terminal the beginnings of their ids, which name them as well."""
    screen, now = Screen(), time.time()
    roomy = screen.is_roomy
    rows = []
    for run in runs:
        started = Text(moment(run.started, now, roomy=roomy))
        cells = [Text(run.id if roomy else run.id[:8]), Text(run.pipeline), state_text(run.state), started]
        rows.append([*cells, *([Text(took(run, now)), Text(typed(run.params))] if roomy else [])])
    further = ["took", "params"] if roomy else []
    elastic = ["params", "pipeline"] if roomy else ["pipeline"]
    print_rows(screen, ["run", "pipeline", "state", "started", *further], rows, elastic=elastic)


def took(run: Run, now: float) -> str:
    """How long the run took, or takes so far; empty where nobody knows."""
    if run.state is RunState.RUNNING:
        return format_duration(run.seconds + max(0.0, now - run.taken))
    return "" if run.ended is None else format_duration(run.seconds)
