"""The table of `show`: a run, its tasks, and when each of them ran."""

from __future__ import annotations

import shlex
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from rich.text import Text

from pipectl.cli.tables.folded import Line, fold
from pipectl.cli.tables.notable import first, further
from pipectl.cli.tables.row_list import print_rows
from pipectl.cli.tables.runs import took
from pipectl.cli.tables.screen import Screen, moment, state_text
from pipectl.cli.tables.timeline import Timeline, worked
from pipectl.durations import format_duration
from pipectl.model import RunState, State
from pipectl.outline import Place
from pipectl.reports.cells import cells
from pipectl.reports.folding import failures
from pipectl.reports.marks import marks_for
from pipectl.reports.summary import waiting
from pipectl.reports.text import allowed_text, clean, counted, listed
from pipectl.run_view import InstanceView, RunView
from pipectl.store.rows import Run

_WIDE = 80  # columns from which on there is a timeline
_WIDEST = 80
_NARROWEST = 16
_NAMED = 3


class RunTable:
    """A run in two lines, its tasks, why those failed that did, what waits and for what, and what to do about it.

    Many instances of one task are one line, unless they are to `unfold`. A long table is cut, unless it is to hold
    `every` line: what failed, what goes on and what took longest remains. `option` is what commands in hints need to
    find the state.
    """

    def __init__(self, run: Run, view: RunView, places: Mapping[str, Place], *, option: str) -> None:
        self._run = run
        self._view = view
        self._places = places
        self._option = option
        self._screen = Screen()
        self._now = time.time()
        self._going = run.state is RunState.RUNNING

    def print(self, rows: Sequence[InstanceView], *, unfold: bool, every: bool) -> None:
        """Prints the run with these of its instances."""
        screen = self._screen
        lines = list(fold(rows, self._places, unfold=unfold))
        shown = lines if every else first(lines)
        screen.print(self._heading())
        started = f"started {moment(self._run.started, self._now)}, for {self._run.logical_time.isoformat()}"
        screen.print(Text(started, style="dim"))
        self._print_tasks(shown)
        told = {one.name: one for line in shown if not line.is_header for one in line.rows}
        if len(told) < len(rows):
            screen.print(Text(further(one for one in rows if one.name not in told), style="dim"))
        for line in (*self._reasons(rows, told), *self._waits(told.values()), *self._hint()):
            screen.print(line, no_wrap=True, overflow="ignore", crop=False)

    def _heading(self) -> Text:
        run, view = self._run, self._view
        seconds = took(run, self._now)
        during = f" {'for' if self._going else 'in'} {seconds}" if seconds else ""
        counts = counted(view.counts(), view.allowed)
        return Text.assemble(f"run {run.id} of {run.pipeline}: ", state_text(run.state), f"{during}: {counts}")

    def _print_tasks(self, lines: Sequence[Line]) -> None:
        screen, roomy = self._screen, self._screen.is_roomy
        now = self._now if self._going else self._view.heard
        beside = [
            [Text("  " * line.depth + clean(line.label)), self._state(line), *self._numbers(line)] for line in lines
        ]
        headings = ["task", "state", *(["attempts"] if roomy else []), "took"]
        widths = [max(map(cells, (heading, *(row[i].plain for row in beside)))) for i, heading in enumerate(headings)]
        width = min(_WIDEST, screen.width - sum(widths) - screen.gap * len(headings))
        if screen.width >= _WIDE and width >= _NARROWEST and any(one.spans for line in lines for one in line.rows):
            cut_off = self._run.state is RunState.INTERRUPTED
            bars = Timeline(self._view, width, marks_for(screen.encoding), now, cut_off=cut_off)
            headings.append(bars.scale())
            beside = [[*row, _bar(bars, line)] for line, row in zip(lines, beside, strict=True)]
        print_rows(screen, headings, beside, elastic=["task"])

    def _state(self, line: Line) -> Text:
        one = line.one
        if one is None:
            state, words = line.standing
            allowed = sum(one.allowed for one in line.rows)
            failed = sum(one.state is State.FAILED for one in line.rows)
            return state_text(state, allowed_text(failed, allowed), words=words)
        if one.state is State.RUNNING and not self._going:
            return state_text(RunState.INTERRUPTED)
        if one.state is State.SKIPPED and one.closed_by:
            return state_text(one.state, f" by {one.closed_by}")
        return state_text(one.state, " (allowed)" if one.allowed else "")

    def _numbers(self, line: Line) -> list[Text]:
        """Its attempts, where there is room for them, and how long it took, or takes so far."""
        ended = line.ended or (self._now if self._going else None)
        seconds = None
        if line.started is not None and ended is not None:
            seconds = worked(self._view, ended, self._now) - worked(self._view, line.started, self._now)
        shown = Text("" if seconds is None else format_duration(seconds))
        attempts = line.one.attempts if line.one else 0
        return [Text(str(attempts or "")), shown] if self._screen.is_roomy else [shown]

    def _reasons(self, rows: Sequence[InstanceView], told: Container[str]) -> Iterator[Text]:
        """Why what failed did, or why it is tried again; what failed for the same reason together."""
        alike: dict[str, list[str]] = {}
        folded = set()
        for failed in failures(self._view, (one for one in rows if one.state is State.FAILED and one.error)):
            if failed.is_folded:
                folded.add(failed.task)
                named = listed([one.name for one in failed.instances], _NAMED)
                yield Text(clean(f"{failed.task}: {failed.words}: {named}"))
        for one in rows:
            if one.error and one.name in told and not (one.state is State.FAILED and one.task in folded):
                alike.setdefault(clean(one.error), []).append(clean(one.name))
        for error, names in alike.items():
            yield Text(f"{listed(names)}: {error}")

    def _waits(self, rows: Iterable[InstanceView]) -> Iterator[Text]:
        """What waits, and how a question is answered."""
        for one in rows:
            if one.state is State.WAITING:
                yield Text(clean(f"{one.name}: {waiting(one.waits_for or '')}"))
                if self._places[one.task].task.type == "approve":
                    command = f"pipectl approve {self._run.id} {shlex.quote(one.name)}{self._option}"
                    yield Text(f"hint: `{command}` answers, or `reject`", style="dim")

    def _hint(self) -> Iterator[Text]:
        if self._run.state in {RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED}:
            yield Text(f"hint: `pipectl resume {self._run.id}{self._option}` runs the rest", style="dim")


def _bar(bars: Timeline, line: Line) -> Text:
    return bars.bar(line.one, line.needs) if line.one else bars.stretch(line.rows, line.needs)
