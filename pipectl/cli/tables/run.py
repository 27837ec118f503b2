"""The table of `show`: a run, its tasks, and when each of them ran."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from pipectl.cli.tables.notable import notable
from pipectl.cli.tables.row_list import print_rows
from pipectl.cli.tables.runs import took
from pipectl.cli.tables.screen import Screen, moment, state_text
from pipectl.cli.tables.timeline import Timeline
from pipectl.durations import format_duration
from pipectl.model import RunState, State, Task
from pipectl.reports.cells import cells
from pipectl.reports.marks import marks_for
from pipectl.reports.text import clean, counted, listed
from pipectl.run_view import InstanceView, RunView
from pipectl.store.rows import Run

_WIDE = 80  # columns from which on there is a timeline
_WIDEST = 80
_NARROWEST = 16


def print_run(run: Run, view: RunView, tasks: Mapping[str, Task], *, hint: str, every: bool) -> None:
    """The run in two lines, its tasks, why those failed that did, and what to do about it.

    A long table is cut, unless it is to hold `every` one: what failed, what runs and what took longest remains.
    """
    screen, now = Screen(), time.time()
    rows = list(view.instances.values())
    further = ""
    if not every:
        rows, further = notable(rows)
    screen.print(_heading(run, view, now))
    screen.print(Text(f"started {moment(run.started, now)}, for {run.logical_time.isoformat()}", style="dim"))
    _print_tasks(screen, run, rows, view, tasks, now if run.state is RunState.RUNNING else view.heard)
    if further:
        screen.print(Text(further, style="dim"))
    for line in (*_reasons(rows), *([Text(hint, style="dim")] if hint else [])):
        screen.print(line, no_wrap=True, overflow="ignore", crop=False)


def _heading(run: Run, view: RunView, now: float) -> Text:
    seconds = took(run, now)
    during = f" {'for' if run.state is RunState.RUNNING else 'in'} {seconds}" if seconds else ""
    state = state_text(run.state)
    return Text.assemble(
        f"run {run.id} of {run.pipeline}: ", state, f"{during}: {counted(view.counts(), view.allowed)}"
    )


def _print_tasks(
    screen: Screen, run: Run, rows: Sequence[InstanceView], view: RunView, tasks: Mapping[str, Task], now: float
) -> None:
    going = run.state is RunState.RUNNING
    beside = [[Text(clean(one.name)), _state(one, going), *_numbers(one, going, now, screen.is_roomy)] for one in rows]
    headings = ["task", "state", *(["attempts"] if screen.is_roomy else []), "took"]
    widths = [max(map(cells, (heading, *(row[i].plain for row in beside)))) for i, heading in enumerate(headings)]
    width = min(_WIDEST, screen.width - sum(widths) - screen.gap * len(headings))
    line = None
    if screen.width >= _WIDE and width >= _NARROWEST and any(one.spans for one in rows):
        line = Timeline(view, width, marks_for(screen.encoding), now, cut_off=run.state is RunState.INTERRUPTED)
        headings.append(line.scale())
        beside = [[*row, line.bar(one, tasks[one.task].needs)] for one, row in zip(rows, beside, strict=True)]
    print_rows(screen, headings, beside, elastic=["task"])


def _state(one: InstanceView, going: bool) -> Text:
    if one.state is State.RUNNING and not going:
        return state_text(RunState.INTERRUPTED)
    if one.state is State.SKIPPED and one.closed_by:
        return state_text(one.state, f" by {one.closed_by}")
    return state_text(one.state, " (allowed)" if one.allowed else "")


def _numbers(one: InstanceView, going: bool, now: float, roomy: bool) -> list[Text]:
    seconds = one.duration
    if one.state is State.RUNNING and going and one.started is not None:
        seconds = now - one.started
    shown = Text("" if seconds is None else format_duration(seconds))
    return [Text(str(one.attempts or "")), shown] if roomy else [shown]


def _reasons(rows: Sequence[InstanceView]) -> Iterator[Text]:
    """Why what failed did; what failed for the same reason together."""
    alike: dict[str, list[str]] = {}
    for one in rows:
        if one.error:
            alike.setdefault(clean(one.error), []).append(clean(one.name))
    for error, names in alike.items():
        yield Text(f"{listed(names)}: {error}")
