"""Kinds of task: each turns a task into what to execute, and what came of it into an output."""

from __future__ import annotations

from pipectl.tasks import python, shell
from pipectl.tasks.base import TaskType

_TYPES: dict[str, TaskType] = {"shell": shell, "python": python}


def find(name: str | None) -> TaskType:
    """The task type of this name. Raises KeyError where there is none, which the schema keeps from happening."""
    return _TYPES[name or ""]
