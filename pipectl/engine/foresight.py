"""What can be told of a task before its run: whether its conditions will hold, and which program runs it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from functools import cache
from typing import Any

from pipectl.engine.environment import extend, texts
from pipectl.engine.outputs import Outputs
from pipectl.engine.prepare import Preparer, Setting
from pipectl.graph import Node
from pipectl.model import Command, Job, Task
from pipectl.plan import Plan
from pipectl.programs import find_program
from pipectl.tasks import python, shell
from pipectl.tasks.base import TaskFailed
from pipectl.template import Renderer, TemplateError, references

_GIVEN = frozenset({"params", "vars", "env", "pipeline"})
_MADE_BY_THE_RUN = frozenset({"id", "dir"})
_LOOKS_OUTSIDE = re.compile(r"\b(?:exists|glob|lines)\s*\(")  # what is there then, an upstream may have made
_FINDS_PROGRAMS = ("PATH", "VIRTUAL_ENV")
_NOTHING = Command(("true",))

_Given = Callable[[tuple[str, ...]], bool]  # whether what a path names is known


class Foresight(Preparer):
    """Prepares attempts that are not made, and answers conditions by what is known without them.

    What depends on an output or a secret is taken as true. Entries of an `env` that do are left out of it.
    """

    def __init__(self, setting: Setting, plan: Plan, outputs: Outputs, renderer: Renderer) -> None:
        env = setting.pipeline.env
        self._hidden = _not_known(env, frozenset(), _is_given)
        told = {name: value for name, value in env.items() if name not in self._hidden}
        super().__init__(replace(setting, pipeline=replace(setting.pipeline, env=told)), plan, outputs, renderer)

    def holds(self, condition: str | bool, task: Task, more: Mapping[str, Any] | None = None) -> bool:
        """Whether a condition is true, the states of other tasks being what they are in the plan."""
        if isinstance(condition, str) and not self._is_known(condition, task, _is_given_or_state):
            return True
        return super().holds(condition, task)

    def holds_now(self, condition: str | bool, task: Task) -> bool | None:
        """Whether a condition is true whatever the run does; None where that depends on it, or cannot be told."""
        if isinstance(condition, str) and not self._is_known(condition, task, _is_given):
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

    def _is_known(self, condition: str, task: Task, given: _Given) -> bool:
        return _can_be_told(condition, _not_known(task.env, self._hidden, given), given, expression=True)

    def _task_env(self, task: Task, base: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
        hidden = _not_known(task.env, self._hidden, _is_given_or_state)
        told = {name: value for name, value in task.env.items() if name not in hidden}
        return super()._task_env(replace(task, env=told), base)

    def _environment(self, task: Task) -> Mapping[str, str]:
        """What the task will see, as far as it says where programs are."""
        entries = {name: task.env[name] for name in _FINDS_PROGRAMS if name in task.env}
        try:
            names = self.names(task, self._env)
            return extend(self._env, entries, lambda value, env: self.render(value, {**names, "env": env}))
        except TemplateError:
            return self._setting.environ


@cache
def _paths(text: str, expression: bool) -> list[tuple[str, ...]]:
    return [reference.path for reference in references(text, expression=expression)]


def _not_known(entries: Mapping[str, Any], hidden: Set[str], given: _Given) -> Set[str]:
    """The names of an environment, of which `hidden` are not known, that are not once the entries were added."""
    found = set(hidden)
    for name, value in entries.items():
        if all(_can_be_told(text, found, given) for text in texts(value)):
            found.discard(name)
        else:
            found.add(name)
    return found


def _can_be_told(text: str, hidden: Set[str], given: _Given, *, expression: bool = False) -> bool:
    if _LOOKS_OUTSIDE.search(text):
        return False
    return all(given(path) and not _is_hidden(path, hidden) for path in _paths(text, expression))


def _is_hidden(path: tuple[str, ...], hidden: Set[str]) -> bool:
    return path[0] == "env" and bool(hidden if len(path) == 1 else path[1] in hidden)


def _is_given(path: tuple[str, ...]) -> bool:
    return path[0] in _GIVEN or (path[0] == "run" and len(path) > 1 and path[1] not in _MADE_BY_THE_RUN)


def _is_given_or_state(path: tuple[str, ...]) -> bool:
    return _is_given(path) or (path[0] == "tasks" and len(path) > 2 and path[2] == "state")
