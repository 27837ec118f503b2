"""The table of `plan`."""

from __future__ import annotations

from rich.text import Text

from pipectl.cli.plan_facts import Expected, ExpectedRun, listed
from pipectl.cli.row_list import print_rows
from pipectl.cli.tables import Screen
from pipectl.durations import format_duration
from pipectl.reports.text import clean

_STYLES = {"skip": "dim", "later": "yellow", "fail": "red"}
_MARKS = {"skip": "skipped: ", "fail": "fails: "}


def print_plan(run: ExpectedRun) -> None:
    """What is to be expected: a line for each task, then how long all of it takes and on what that rests."""
    screen = Screen(highlight=False)
    setting = run.outlook.setting
    screen.print(Text(f"{setting.pipeline.name}: {_counted(len(run.tasks))}, {run.outlook.capacity} at once"))
    if setting.params:
        params = " ".join(f"{name}={value}" for name, value in setting.params.items())
        screen.print(Text(clean(params), style="dim"))
    timed = len(run.simulation.unknown) < sum(one.started is not None for one in run.tasks)
    headings = ("task", "type", *(("starts", "takes") if timed else ()), "why")
    print_rows(screen, headings, [_row(one, timed=timed) for one in run.tasks], prose=True)
    screen.print()
    for line in (*_times(run, timed=timed), *_interpreters(run)):
        screen.print(Text(clean(line)))


def _row(one: Expected, *, timed: bool) -> list[Text]:
    style = _STYLES.get(one.decision, "")
    times = []
    if timed:
        assumed = "" if one.seconds is not None else "~"
        took = None if one.started is None or one.ended is None else one.ended - one.started
        times = [_seconds(one.started), "" if took is None else assumed + format_duration(took)]
    why = _MARKS.get(one.decision, "") + one.reason
    return [Text(clean(text), style=style) for text in (one.task.name, one.task.type or "join", *times, why)]


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"+{format_duration(seconds)}" if seconds else "0s"


def _times(run: ExpectedRun, *, timed: bool) -> list[str]:
    """How long the run takes."""
    if not timed:
        return ["no task of it has succeeded yet in this state: how long it takes is known after a run"]
    path = run.simulation.critical_path
    lines = [
        f"expected: {format_duration(run.simulation.makespan)}",
        f"critical path: {format_duration(run.simulation.critical_seconds)}: {' > '.join(path)}",
    ]
    if run.simulation.unknown:
        lines.append(f"no history (taken as 1s): {listed(run.simulation.unknown, 8)}")
    return lines


def _interpreters(run: ExpectedRun) -> list[str]:
    """Which Python runs which tasks."""
    tasks: dict[str, list[str]] = {}
    for one in run.tasks:
        if one.task.type == "python" and one.decision != "skip":
            tasks.setdefault(one.program or "none: there is no such interpreter", []).append(one.task.name)
    if len(tasks) == 1:
        return [f"python: {program}" for program in tasks]
    return [f"python of {listed(names)}: {program}" for program, names in tasks.items()]


def _counted(tasks: int) -> str:
    return f"{tasks} task" if tasks == 1 else f"{tasks} tasks"
