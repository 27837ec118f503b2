"""Walks over the tasks that a pipeline declares, through its groups and sub-pipelines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pipectl.model import Task


def every_task(tasks: Mapping[str, Task], prefix: str = "") -> Iterator[tuple[str, Task]]:
    """All tasks with their paths through all groups, in the order of the file."""
    for name, task in tasks.items():
        path = prefix + name
        yield path, task
        if task.is_group:
            yield from every_task(task.children, f"{path}.")


def own_tasks(tasks: Mapping[str, Task]) -> Iterator[Task]:
    """All tasks that one pipeline declares, those in its groups too; sub-pipelines are one task each."""
    for task in tasks.values():
        yield task
        yield from own_tasks(task.tasks)


def relative(user: str, need: str) -> str:
    """How `inputs` call an upstream: its path without the groups that it shares with its user."""
    theirs, ours = need.split("."), user.split(".")
    shared = 0
    while shared < len(theirs) - 1 and shared < len(ours) - 1 and theirs[shared] == ours[shared]:
        shared += 1
    return ".".join(theirs[shared:])


def heights(tasks: Mapping[str, Task]) -> dict[str, int]:
    """How many tasks the longest chain from each one down has, itself included, by path."""
    return {path: int(length) for path, length in longest(tasks, lambda _: 1).items()}


def longest(tasks: Mapping[str, Task], weigh: Callable[[str], float]) -> dict[str, float]:
    """What the heaviest chain from each task down weighs, itself included, by path; groups themselves weigh nothing."""
    ahead: dict[str, list[str]] = {}  # a group begins at its path, and ends at its path and a dot
    ends: dict[str, str] = {}
    for path, task, _ in _placed(tasks, "", ""):
        ahead[path] = []
        ends[path] = path
        if task.is_group:
            ends[path] = f"{path}."
            ahead[ends[path]] = []
    for path, task, prefix in _placed(tasks, "", ""):
        for need in task.needs:
            ahead[ends[prefix + need]].append(path)
        group, _, _ = path.rpartition(".")
        if group:
            ahead[group].append(path)
            ahead[ends[path]].append(ends[group])
    found: dict[str, float] = {}
    for key in reversed(_sorted(ahead)):
        below = max((found[other] for other in ahead[key]), default=0)
        found[key] = below + (weigh(key) if ends.get(key) == key else 0)
    return {path: found[path] for path in ends}


def _placed(tasks: Mapping[str, Task], prefix: str, pipeline: str) -> Iterator[tuple[str, Task, str]]:
    """All tasks with their paths, and with the path of the sub-pipeline that their names are relative to."""
    for name, task in tasks.items():
        path = prefix + name
        yield path, task, pipeline
        if task.is_group:
            inner = f"{path}."
            yield from _placed(task.children, inner, inner if task.pipeline else pipeline)


def _sorted(ahead: Mapping[str, list[str]]) -> list[str]:
    """The keys, each before those ahead of it; without recursion, so that chains may be long."""
    missing = dict.fromkeys(ahead, 0)
    for others in ahead.values():
        for other in others:
            missing[other] += 1
    order = [key for key, count in missing.items() if not count]
    for key in order:
        for other in ahead[key]:
            missing[other] -= 1
            if not missing[other]:
                order.append(other)
    return order
