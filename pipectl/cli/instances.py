"""Instances of a run by the names that people type: of a task, a group, a copy of one, or an instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from pipectl.errors import UsageError
from pipectl.model import Task
from pipectl.outline import outline, steps, task_path
from pipectl.reports.text import listed
from pipectl.spec.words import did_you_mean
from pipectl.store.rows import Run

_MOST = 20
_MOST_COMPARED = 1000


def unknown(run: Run, name: str, instances: Iterable[str]) -> UsageError:
    """That nothing in the run is called so, with what is."""
    known: dict[str, None] = {}
    for instance in instances:
        path = task_path(instance).split(".")
        known |= dict.fromkeys(".".join(path[:number]) for number in range(1, len(path) + 1))
    beside = _beside(name, instances)
    hint = did_you_mean(name, [*known, *beside])
    if not hint:
        what, names = (f"`{task_path(name)}` has", beside) if beside else ("it has", list(known))
        hint = f"{what}: {listed([f'`{one}`' for one in names], _MOST)}"
    return UsageError(f"run {run.id} has no task `{name}`", hint)


def is_to_be_repeated(name: str, tasks: Mapping[str, Task]) -> bool:
    """Whether a `foreach` is yet to make instances of what is called so now."""
    place = outline(tasks)[task_path(name)]
    around = [*reversed(list(place.around())), place]
    return any(one.task.foreach and "[" not in part for one, part in zip(around, steps(name), strict=True))


def _beside(name: str, instances: Iterable[str]) -> list[str]:
    """The instances of the task that the name would be an instance of."""
    if "[" not in name:
        return []
    path, depth = task_path(name), len(steps(name))
    found = (".".join(steps(one)[:depth]) for one in instances)
    alike = (one for one in dict.fromkeys(found) if "[" in one and task_path(one) == path)
    return list(islice(alike, _MOST_COMPARED))
