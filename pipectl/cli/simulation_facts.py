"""What `simulate` is asked for, and the JSON that it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pipectl.cli.facts import rounded
from pipectl.durations import parse_duration
from pipectl.engine.assumptions import DEFAULT_ITEMS, DEFAULT_SECONDS, Assumptions
from pipectl.engine.simulation import Simulation
from pipectl.errors import UsageError
from pipectl.model import Pipeline, Task
from pipectl.outline import outline, task_path
from pipectl.reports.text import listed
from pipectl.run_view import InstanceView
from pipectl.spec.words import did_you_mean

_T = TypeVar("_T")


def assumptions(
    pipeline: Pipeline,
    known: Assumptions,
    *,
    fail: Sequence[str] = (),
    durations: Sequence[str] = (),
    items: Sequence[str] = (),
) -> Assumptions:
    """What the options say, over what is known from history. Raises UsageError for what they cannot say."""
    tasks = {path: place.task for path, place in outline(pipeline.tasks).items()}
    for name in fail:
        _check_runs(_task(tasks, pipeline, "--fail", name), f"--fail {name}")
    return replace(
        known,
        seconds=dict(_said(tasks, pipeline, "--duration", durations, parse_duration)),
        items=dict(_said(tasks, pipeline, "--items", items, _count)),
        failing=frozenset(fail),
    )


def _said(
    tasks: Mapping[str, Task], pipeline: Pipeline, option: str, given: Sequence[str], read: Callable[[str], _T]
) -> Iterator[tuple[str, _T]]:
    example = "5m" if option == "--duration" else "5"
    for text in given:
        name, equals, value = text.rpartition("=")
        if not equals:
            what = "TASK=TIME" if option == "--duration" else "TASK=NUMBER"
            raise UsageError(f"`{option} {text}` is not {what}", f"write `{option} {text}={example}`")
        task = _task(tasks, pipeline, option, name)
        if option == "--items" and task.foreach is None:
            raise UsageError(f"`{option} {text}`: task `{name}` has no `foreach`")
        if option == "--duration":
            _check_runs(task, f"{option} {text}")
            if task.is_group:
                raise UsageError(f"`{option} {text}`: task `{name}` is a group", "name the tasks in it")
        try:
            yield name, read(value)
        except ValueError as error:
            raise UsageError(f"`{option} {text}`: {error}") from error


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise ValueError(f"`{text}` is not a number of items")
    return int(text)


def _task(tasks: Mapping[str, Task], pipeline: Pipeline, option: str, name: str) -> Task:
    """The task that a name stands for, that of an instance too."""
    task = tasks.get(task_path(name))
    if task is None:
        hint = did_you_mean(task_path(name), tasks) or f"it has: {', '.join(f'`{path}`' for path in tasks)}"
        raise UsageError(f"`{option}`: pipeline `{pipeline.name}` has no task `{name}`", hint)
    return task


def _check_runs(task: Task, option: str) -> None:
    if task.type is None:
        raise UsageError(f"`{option}`: task `{task.name}` is a join, which runs nothing")


def check_instances(simulation: Simulation, assumed: Assumptions) -> None:
    """Raises UsageError where an option names an instance that the run would not have."""
    for name in (*assumed.failing, *assumed.seconds, *assumed.items):
        if name != task_path(name) and name not in simulation.plan.nodes:
            alike = [node.name for node in simulation.plan.nodes.values() if node.path == task_path(name)]
            hint = did_you_mean(name, alike) or (f"it would have: {listed(alike, 4)}" if alike else "")
            raise UsageError(f"the run would have no instance `{name}`", hint)


def simulation_facts(simulation: Simulation) -> dict[str, Any]:
    """The JSON of `simulate`: times and durations are seconds, times from the start of the run."""
    return {
        "makespan": round(simulation.makespan, 3),
        "state": simulation.view.state,
        "critical_path": critical_path_facts(simulation),
        "without_history": simulation.unknown,
        "assumed_items": assumed_facts(simulation),
        "slots": use_facts(simulation),
        "instances": [_facts(one) for one in simulation.view.rows],
    }


def critical_path_facts(simulation: Simulation) -> dict[str, Any]:
    """The critical path as `plan` and `simulate` give it."""
    return {"tasks": simulation.critical_path, "duration": round(simulation.critical_seconds, 3)}


def assumed_facts(simulation: Simulation) -> list[dict[str, Any]]:
    """The items that had to be assumed."""
    return [
        {"task": path, "count": len(found.items), "source": found.source} for path, found in simulation.assumed.items()
    ]


def use_facts(simulation: Simulation) -> list[dict[str, Any]]:
    """The use of the slots of the run, whose pool is null, and of pools."""
    return [{"pool": use.pool, "count": use.slots, "busy": round(use.busy, 4)} for use in simulation.uses()]


def unknown_texts(simulation: Simulation) -> Iterator[str]:
    """Lines that name what had to be guessed."""
    if simulation.unknown:
        limits = (task.timeout for task in simulation.guessed.values())
        limited = any(limit is not None and limit < DEFAULT_SECONDS for limit in limits)
        guess = "1s, or as its time limit where that is less" if limited else "1s"
        yield f"no history (taken as {guess}): {listed(simulation.unknown)}"
    by_source: dict[str, list[str]] = {}
    for path, found in simulation.assumed.items():
        shown = path if found.source == "guess" else f"{path} ({len(found.items):,})"
        by_source.setdefault(found.source, []).append(shown)
    if guessed := by_source.get("guess"):
        yield f"items that only the run knows (taken as {DEFAULT_ITEMS}): {listed(guessed)}"
    if recalled := by_source.get("history"):
        yield f"items as in the last run: {listed(recalled)}"


def _facts(one: InstanceView) -> dict[str, Any]:
    return {
        "name": one.name,
        "task": one.task,
        "state": one.state,
        "attempts": one.attempts,
        "started": rounded(one.started),
        "ended": rounded(one.ended),
        "duration": rounded(one.duration),
        "error": one.error,
        "allowed": one.allowed,
    }
