"""The tasks of a pipeline by their paths through all groups, as written: before any `foreach` makes copies of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipectl.model import Task

_LABEL = re.compile(r"\[[^\]]*\]")
_STEP = re.compile(r"(?:[^.\[]|\[[^\]]*\])+")


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a task stands: `name` is that in its group, `needs` are paths through all groups, `inner` those in it.

    `is_repeated` says whether a run may have several instances of it, by its own `foreach` or that of a group around.
    """

    path: str
    name: str
    task: Task
    parent: Place | None
    needs: tuple[str, ...]
    is_repeated: bool
    inner: list[Place] = field(default_factory=list)

    def around(self) -> Iterator[Place]:
        """The groups that it is in, the innermost first."""
        place = self.parent
        while place is not None:
            yield place
            place = place.parent


def outline(tasks: Mapping[str, Task]) -> dict[str, Place]:
    """All tasks and groups by path, in the order of the file, groups before those in them."""
    places: dict[str, Place] = {}
    _add(places, tasks, None, "")
    return places


def _add(places: dict[str, Place], tasks: Mapping[str, Task], parent: Place | None, pipeline: str) -> None:
    """Adds tasks whose names are relative to `pipeline`, the path of their sub-pipeline with a dot at its end."""
    prefix, repeated = (f"{parent.path}.", parent.is_repeated) if parent else ("", False)
    for name, task in tasks.items():
        path = prefix + name
        needs = tuple(pipeline + need for need in task.needs)
        place = Place(path, name, task, parent, needs, repeated or task.foreach is not None)
        places[path] = place
        if parent is not None:
            parent.inner.append(place)
        if task.is_group:
            _add(places, task.children, place, f"{path}." if task.pipeline else pipeline)


def task_path(instance: str) -> str:
    """The path of the task that an instance is of: `region.extract` of `region[eu].extract`."""
    return _LABEL.sub("", instance) if "[" in instance else instance


def steps(instance: str) -> list[str]:
    """The parts of an instance's name from group to group, each with its label."""
    return _STEP.findall(instance) if "[" in instance else instance.split(".")


def belongs(instance: str, to: str) -> bool:
    """Whether an instance is the one of that name, or in the task, the group or the copy of one that the name is of."""
    return any(name == to or name.startswith(f"{to}.") for name in (instance, task_path(instance))) or (
        instance.startswith(f"{to}[")
    )


def beside(instance: str, path: str) -> str:
    """What a task is called in the copies of groups that an instance is in: of groups that both are in."""
    own, theirs = steps(instance), path.split(".")
    shared = 0
    while shared < min(len(own), len(theirs)) - 1 and theirs[shared] == task_path(own[shared]):
        shared += 1
    return ".".join([*own[:shared], *theirs[shared:]])


def task_at(tasks: Mapping[str, Task], path: str) -> Task:
    """The task of a path. Raises KeyError where there is none."""
    first, *others = path.split(".")
    task = tasks[first]
    for name in others:
        task = task.children[name]
    return task
