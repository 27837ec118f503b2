"""What can be told of a task before its run: whether its conditions will hold, and which program runs it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

from pipectl.engine.environment import caller_environment, extend
from pipectl.engine.prepare import Preparer
from pipectl.graph import Node
from pipectl.model import Command, Job, Task
from pipectl.programs import find_program
from pipectl.tasks import python, shell
from pipectl.tasks.base import TaskFailed
from pipectl.template import TemplateError, references

_GIVEN = frozenset({"params", "vars", "env", "pipeline"})
_MADE_BY_THE_RUN = frozenset({"id", "dir"})
_LOOKS_OUTSIDE = re.compile(r"\b(?:exists|glob|lines)\s*\(")  # what is there then, an upstream may have made
_FINDS_PROGRAMS = ("PATH", "VIRTUAL_ENV")
_NOTHING = Command(("true",))


class Foresight(Preparer):
    """Prepares attempts that are not made, and answers conditions by what is known without them.

    What depends on an output is taken as true.
    """

    @cached_property
    def _env(self) -> Mapping[str, str]:
        """The pipeline's part of every environment, or the caller's where it needs what is not known yet."""
        try:
            return super()._env
        except TemplateError:
            setting = self._setting
            return caller_environment(setting.pipeline, setting.environ, setting.env_file)

    def holds(self, condition: str | bool, task: Task, more: Mapping[str, Any] | None = None) -> bool:
        """Whether a condition is true, the states of other tasks being what they are in the plan."""
        if isinstance(condition, str) and _needs_outputs(condition):
            return True
        return super().holds(condition, task)

    def holds_now(self, condition: str | bool, task: Task) -> bool | None:
        """Whether a condition is true whatever the run does; None where that depends on it, or cannot be told."""
        if isinstance(condition, str) and not _is_known(condition):
            return None
        try:
            return super().holds(condition, task)
        except TemplateError:
            return None

    def job(self, node: Node, attempt: int, *, timeout: float | None) -> Job:
        """A job of which only the name, the number and the limits count."""
        task, folder = node.task, self._setting.pipeline.folder
        return Job(node.name, attempt, _NOTHING, {}, folder, timeout, task.grace, task.stop_signal)

    def program(self, task: Task) -> str | None:
        """The path of what runs the task: an interpreter, or the program of an argument vector.

        None where the task needs none of its own, or where that is computed in the run. Raises TaskFailed where there
        is no such program.
        """
        folder = self._setting.pipeline.folder
        env = self._environment(task)
        if task.type == "python":
            return python.interpreter(task.body, folder, env)
        if task.type != "shell":
            return None
        name = task.body["argv"][0] if "argv" in task.body else shell.interpreter(task.body, folder, env)[0]
        if not isinstance(name, str) or "{{" in name:
            return None
        found = find_program(name, env.get("PATH"))
        if found is None:
            raise TaskFailed(f"there is no program `{name}`")
        return found

    def _environment(self, task: Task) -> Mapping[str, str]:
        """What the task will see, as far as it says where programs are."""
        entries = {name: task.env[name] for name in _FINDS_PROGRAMS if name in task.env}
        try:
            names = self.names(task, self._env)
            return extend(self._env, entries, lambda value, env: self.render(value, {**names, "env": env}))
        except TemplateError:
            return self._setting.environ


@cache
def _paths(condition: str) -> list[tuple[str, ...]]:
    return [reference.path for reference in references(condition, expression=True)]


def _is_known(condition: str) -> bool:
    return not _LOOKS_OUTSIDE.search(condition) and all(map(_is_given, _paths(condition)))


def _needs_outputs(condition: str) -> bool:
    paths = _paths(condition)
    return bool(_LOOKS_OUTSIDE.search(condition)) or not all(_is_given(path) or _is_state(path) for path in paths)


def _is_given(path: tuple[str, ...]) -> bool:
    return path[0] in _GIVEN or (path[0] == "run" and len(path) > 1 and path[1] not in _MADE_BY_THE_RUN)


def _is_state(path: tuple[str, ...]) -> bool:
    return path[0] == "tasks" and len(path) > 2 and path[2] == "state"
