"""Kinds of task: each turns a task into what to execute, and what came of it into an output."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import cast

from pipectl.tasks.base import TaskType

_TYPES = frozenset({"shell", "python", "sql", "http", "wait", "approve"})


@cache
def find(name: str | None) -> TaskType:
    """The task type of this name, a module of this package.

    Raises KeyError where there is none, which the schema keeps from happening.
    """
    if name not in _TYPES:
        raise KeyError(name)
    return cast("TaskType", import_module(f"pipectl.tasks.{name}"))
