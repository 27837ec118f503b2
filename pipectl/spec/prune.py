"""Takes what a schema fault made unusable out of the data, so that later checks meet sound values only.

A name that is declared stays declared: those that use it are not told that it is unknown. What is taken out is noted:
nobody is told that it is missing.
"""

from __future__ import annotations

from typing import Any

from pipectl.spec.nesting import task_at
from pipectl.spec.source import Path, Source

_DECLARING = ("params", "vars", "secrets", "connections", "pools")


def prune(source: Source, path: Path) -> None:
    """Drops the smallest part around `path` that the other checks can do without: a key of a mapping."""
    path = _smallest(path)
    if not path:
        source.data = {}
        return
    container: Any = source.data
    for step in path[:-1]:
        if not _has(container, step):
            return
        container = container[step]
    if not _declares(path):
        source.taken.setdefault(path[:-1], set()).add(path[-1])
    if not _has(container, path[-1]):
        return
    if _declares(path):
        container[path[-1]] = {"secrets": {"env": str(path[-1])}, "vars": None}.get(str(path[0]), {})
    else:
        del container[path[-1]]


def _smallest(path: Path) -> Path:
    """The path to the last key; what checks take as a whole, such as a parameter, is not cut further."""
    depth = _depth(path)
    if path[:1] not in (("tasks",), ("defaults",), ("connections",)):
        return path[:depth]
    while len(path) > depth and isinstance(path[-1], int):
        path = path[:-1]
    return path


def _depth(path: Path) -> int:
    if path[:1] == ("tasks",):
        _, key = task_at(path)
        return len(path) - len(key) + (2 if _is_entry(key) else 1)
    return 2 if path[:1] and path[0] in (*_DECLARING, "defaults", "env") else 1


def _declares(path: Path) -> bool:
    """Whether `path` declares a name (of a task, a parameter, a constant, …), or is an entry of a list of tasks."""
    if path[0] == "tasks":
        task, key = task_at(path)
        return _is_entry(key) or (task != "" and not key)
    return len(path) == 2 and path[0] in _DECLARING


def _is_entry(key: Path) -> bool:
    """Whether the end of a path is an entry of a list of tasks."""
    return len(key) == 2 and key[0] == "tasks" and isinstance(key[1], int)


def _has(container: Any, step: str | int) -> bool:
    if isinstance(container, dict):
        return step in container
    return isinstance(container, list) and isinstance(step, int) and step < len(container)
