"""The table of `simulate`: what each instance came to, and when it would run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from pipectl.cli.plan_facts import path_text
from pipectl.cli.simulation_facts import unknown_texts
from pipectl.cli.tables.folded import Line, fold
from pipectl.cli.tables.notable import first, further
from pipectl.cli.tables.row_list import print_rows
from pipectl.cli.tables.screen import Screen, number, state_text
from pipectl.cli.tables.timeline import Timeline
from pipectl.durations import format_duration
from pipectl.engine.simulation import Simulation, Use
from pipectl.outline import outline
from pipectl.reports.folding import failures
from pipectl.reports.marks import marks_for
from pipectl.reports.text import clean
from pipectl.run_view import InstanceView

_WIDEST = 80
_NARROWEST = 16
_NUMBERS = 46  # the columns between the name and the timeline, with the spaces around them


def print_simulation(simulation: Simulation, *, every: bool) -> None:
    """A line for each instance in the order in which they started, then what the run came to and how long it took.

    Many instances of one task are one line, and of a long list what failed and what took longest remains, unless it is
    to hold `every` one.
    """
    screen = Screen()
    rows = sorted(simulation.view.rows, key=_moment)
    lines = list(fold(rows, outline(simulation.tasks), unfold=every))
    shown = lines if every else first(lines)
    _print_lines(screen, simulation, shown)
    told = {one.name for line in shown if not line.is_header for one in line.rows}
    if len(told) < len(rows):
        screen.print(Text(further(one for one in rows if one.name not in told), style="dim"))
    screen.print()
    for text in _summary(simulation):
        screen.print(Text(clean(text)))


def _print_lines(screen: Screen, simulation: Simulation, lines: Sequence[Line]) -> None:
    names = [Text("  " * line.depth + clean(line.label)) for line in lines]
    width = min(_WIDEST, screen.width - _NUMBERS - max((name.cell_len for name in names), default=0))
    bars = None
    if width >= _NARROWEST and simulation.makespan:
        bars = Timeline(simulation.view, width, marks_for(screen.encoding), simulation.makespan)
    rows = []
    for name, line in zip(names, lines, strict=True):
        times = [line.started, line.duration] if screen.is_roomy else [line.duration]
        bar = [_bar(bars, line)] if bars else []
        rows.append([name, _state(line), *(Text(_seconds(time)) for time in times), *bar])
    starts = ["starts"] if screen.is_roomy else []
    headings = ["task", "state", *starts, "took", *([bars.scale()] if bars else [])]
    print_rows(screen, headings, rows, elastic=["task"])


def _bar(bars: Timeline, line: Line) -> Text:
    return bars.bar(line.one, line.needs) if line.one else bars.stretch(line.rows, line.needs)


def _moment(one: InstanceView) -> tuple[float, float]:
    ended = one.ended or 0.0
    return (ended if one.started is None else one.started), ended


def _state(line: Line) -> Text:
    if line.one is None:
        state, words = line.standing
        return state_text(state, words=words)
    attempts = line.one.attempts
    return state_text(line.one.state, f" ({attempts} attempts)" if attempts > 1 else "")


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else format_duration(seconds) if seconds else "0s"


def _summary(simulation: Simulation) -> Iterator[str]:
    for failed in failures(simulation.view, simulation.view.failures):
        if failed.is_folded:
            yield f"{failed.task}: {failed.words}"
        else:
            yield from (f"{one.name}: {one.error}" for one in failed.instances)
    yield f"{simulation.view.state} in {_seconds(simulation.makespan)}"
    yield f"critical path: {_seconds(simulation.critical_seconds)}: {path_text(simulation.critical_path)}"
    yield ", ".join(_use(use) for use in simulation.uses())
    yield from unknown_texts(simulation)


def _use(use: Use) -> str:
    what = number(use.slots, "slot") if use.pool is None else f"pool {use.pool} of {use.slots:,}"
    return f"{what} busy {use.busy:.0%} of the time"
