"""The table of `plan`."""

from __future__ import annotations

from rich.text import Text

from pipectl.cli.plan_facts import Expected, ExpectedRun, path_text
from pipectl.cli.simulation_facts import unknown_texts
from pipectl.cli.tables.row_list import print_rows
from pipectl.cli.tables.screen import Screen, number, typed
from pipectl.durations import format_duration
from pipectl.model import RunState, Task
from pipectl.reports.text import clean, listed

_STYLES = {"skip": "dim", "cached": "dim", "later": "yellow", "fail": "red", "cancel": "yellow"}
_MARKS = {"skip": "skipped: ", "cached": "cached: ", "fail": "fails: ", "cancel": "cancelled: "}


def print_plan(run: ExpectedRun) -> None:
    """What is to be expected: a line for each task, then how long all of it takes and on what that rests."""
    screen = Screen()
    setting = run.outlook.setting
    tasks = number(sum(not one.task.is_group for one in run.tasks), "task")
    screen.print(
        Text(f"{setting.pipeline.name}: {tasks}, {run.outlook.capacity} at once; if nothing fails, it goes like this")
    )
    if setting.params:
        screen.print(Text(typed(setting.params), style="dim"))
    ran = sum(one.started is not None and not one.task.is_group for one in run.tasks)
    timed = len(run.simulation.unknown) < ran
    many = any(one.instances is not None for one in run.tasks)
    headings = ("task", "type", *(("times",) if many else ()), *(("starts", "takes") if timed else ()), "why")
    print_rows(screen, headings, [_row(one, timed=timed, many=many) for one in run.tasks], prose=True)
    screen.print()
    for line in (*_times(run, timed=timed), *_interpreters(run)):
        screen.print(Text(clean(line)))


def _row(one: Expected, *, timed: bool, many: bool) -> list[Text]:
    style = _STYLES.get(one.decision, "")
    times = []
    if many:
        times.append("" if one.instances is None else f"{one.instances:,}")
    if timed:
        assumed = "~" if one.is_guess else ""
        took = None if one.started is None or one.ended is None else one.ended - one.started
        times += [_seconds(one.started), "" if took is None else assumed + format_duration(took)]
    why = _MARKS.get(one.decision, "") + one.reason
    return [Text(clean(text), style=style) for text in (one.path, _type(one.task), *times, why)]


def _type(task: Task) -> str:
    return "group" if task.type == "tasks" else task.type or "join"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"+{format_duration(seconds)}" if seconds else "0s"


def _times(run: ExpectedRun, *, timed: bool) -> list[str]:
    """How long the run takes."""
    if not timed:
        return ["no task of it has succeeded yet in this state: how long it takes is known after a run"]
    simulation, took = run.simulation, format_duration(run.simulation.makespan)
    state = simulation.view.state
    return [
        f"expected: {took if state is RunState.SUCCESS else f'{state} in {took}'}",
        f"critical path: {format_duration(simulation.critical_seconds)}: {path_text(simulation.critical_path)}",
        *unknown_texts(simulation),
    ]


def _interpreters(run: ExpectedRun) -> list[str]:
    """Which Python runs which tasks."""
    tasks: dict[str, list[str]] = {}
    for one in run.tasks:
        if one.task.type == "python" and one.decision != "skip":
            tasks.setdefault(one.program or "none: there is no such interpreter", []).append(one.path)
    if len(tasks) == 1:
        return [f"python: {program}" for program in tasks]
    return [f"python of {listed(names, 4)}: {program}" for program, names in tasks.items()]
