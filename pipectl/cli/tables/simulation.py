"""The table of `simulate`: what each instance came to, and when it would run."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from pipectl.cli.plan_facts import path_text, unknown_text
from pipectl.cli.tables.notable import notable
from pipectl.cli.tables.row_list import print_rows
from pipectl.cli.tables.screen import Screen, state_text
from pipectl.cli.tables.timeline import Timeline
from pipectl.durations import format_duration
from pipectl.engine.simulation import Simulation
from pipectl.reports.marks import marks_for
from pipectl.reports.text import clean
from pipectl.run_view import InstanceView

_WIDEST = 80
_NARROWEST = 16
_NUMBERS = 46  # the columns between the name and the timeline, with the spaces around them


def print_simulation(simulation: Simulation, *, every: bool) -> None:
    """A line for each instance in the order in which they started, then what the run came to and how long it took.

    Of a long list, unless it is to hold `every` one, what failed and what took longest remains.
    """
    screen = Screen()
    instances = sorted(simulation.view.instances.values(), key=_moment)
    further = ""
    if not every:
        instances, further = notable(instances)
    width = min(_WIDEST, screen.width - _NUMBERS - max((len(one.name) for one in instances), default=0))
    line = None
    if width >= _NARROWEST and simulation.makespan:
        line = Timeline(simulation.view, width, marks_for(screen.encoding), simulation.makespan)
    starts = ["starts"] if screen.is_roomy else []
    rows = []
    for one in instances:
        times = [one.started, one.duration] if screen.is_roomy else [one.duration]
        bar = [line.bar(one, simulation.plan.nodes[one.name].task.needs)] if line else []
        rows.append([Text(clean(one.name)), _state(one), *(Text(_seconds(time)) for time in times), *bar])
    headings = ["task", "state", *starts, "took", *([line.scale()] if line else [])]
    print_rows(screen, headings, rows, elastic=["task"])
    if further:
        screen.print(Text(further, style="dim"))
    screen.print()
    for told in _summary(simulation):
        screen.print(Text(clean(told)))


def _moment(one: InstanceView) -> tuple[float, float]:
    ended = one.ended or 0.0
    return (ended if one.started is None else one.started), ended


def _state(one: InstanceView) -> Text:
    return state_text(one.state, f" ({one.attempts} attempts)" if one.attempts > 1 else "")


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else format_duration(seconds) if seconds else "0s"


def _summary(simulation: Simulation) -> Iterator[str]:
    for one in simulation.view.failures:
        yield f"{one.name}: {one.error}"
    yield f"{simulation.view.state} in {_seconds(simulation.makespan)}"
    yield f"critical path: {_seconds(simulation.critical_seconds)}: {path_text(simulation.critical_path)}"
    if unknown := unknown_text(simulation):
        yield unknown
