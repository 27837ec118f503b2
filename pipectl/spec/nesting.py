"""Tasks within tasks: where a file says them, and which of them a name means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pipectl.spec.source import Part, Path

if TYPE_CHECKING:
    from pipectl.spec.declaration import Declaration

HOLDERS = ("tasks", "pipeline")
"""The types of task that hold tasks."""


def task_at(path: Path) -> tuple[str, Path]:
    """The task, by its path through groups, in which a path in a file ends; and what follows it there.

    What follows is empty for the task itself, begins with `tasks` and an index for an entry of a list of tasks, and
    with a key of the task else. The task is empty for what is in none.
    """
    names: list[str] = []
    at = 0
    while path[at : at + 1] == ("tasks",):
        name = at + 1 + any(isinstance(step, int) for step in path[at + 1 : at + 2])
        if name >= len(path):
            break
        names.append(str(path[name]))
        at = name + 1
    return ".".join(names), path[at:]


def around(path: str) -> Iterator[str]:
    """The groups that a task is in, by their paths, the innermost first."""
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


class Named:
    """A task as others see it: what it holds, and whether it is repeated."""

    def __init__(self, declaration: Declaration, path: str, prefix: str = "") -> None:
        self.path = prefix + path
        self.part: Part = declaration.tasks[path]
        self.repeated = has(self.part, "foreach")
        self._declaration = declaration
        self._local = path
        self._prefix = prefix

    @property
    def is_group(self) -> bool:
        """Whether it holds tasks: its own, or those of another file."""
        return is_group(self.part.value)

    @property
    def unknown(self) -> bool:
        """Whether a fault keeps what it holds from being known."""
        if any(key in self.part.taken for key in HOLDERS):
            return True
        return "pipeline" in self.part.value and self._local not in self._declaration.children

    @property
    def members(self) -> Mapping[str, str]:
        """The names of the tasks that it holds."""
        child = self._declaration.children.get(self._local)
        return child.levels[""] if child is not None else self._declaration.levels.get(self._local, {})

    def member(self, name: str) -> Named:
        """The task in it that has this name, which is one of `members`."""
        child = self._declaration.children.get(self._local)
        if child is not None:
            return Named(child, name, f"{self.path}.")
        return Named(self._declaration, self.members[name], self._prefix)


def is_group(task: Mapping[str, Any]) -> bool:
    """Whether a task holds tasks: its own, or those of another file."""
    return any(key in task for key in HOLDERS)


def has(task: Part, key: str) -> bool:
    """Whether a task says a key, be it well or not."""
    return key in task.value or key in task.taken
