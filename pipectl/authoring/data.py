"""A pipeline under construction as the plain data that a file would hold."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from pipectl.authoring.generated import Generated
from pipectl.authoring.naming import Unreachable, expression, reference
from pipectl.authoring.places import Made, place, problem
from pipectl.authoring.tasks import Group, Output, Pipeline, Scope, Task
from pipectl.authoring.values import plain, refuse_output
from pipectl.errors import PipelineError, Problem
from pipectl.spec.bodies import BODIES
from pipectl.spec.schema import definition
from pipectl.spec.words import did_you_mean

_BODY = ""  # stands among the keys of a task for what its type was given first


def generated(pipeline: Pipeline) -> Generated:
    """The pipeline for the checks. Raises PipelineError with all that no file can hold."""
    file = pipeline.origin.file
    writer = _Writer(file)
    data = {
        "name": pipeline.name,
        **writer.keys(pipeline.keys, pipeline.made, refuse_output),
        "tasks": writer.tasks(pipeline),
    }
    if writer.problems:
        raise PipelineError(writer.problems)
    folder = os.path.normpath(os.path.join(pipeline.origin.folder, pipeline.folder or ""))  # noqa: PTH118
    return Generated(file, folder, data, {"": place(pipeline.made, file), **writer.places})


class _Writer:
    """Goes through the parts once; `places` are those of the tasks by path, in the program's own file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.problems: list[Problem] = []
        self.places: dict[str, tuple[int, int]] = {}

    def tasks(self, scope: Scope) -> dict[str, Any]:
        return {name: self._task(task) for name, task in scope.tasks.items()}

    def keys(self, keys: Mapping[str, Any], made: Made, speak: Any) -> dict[str, Any]:
        written = {}
        for key, value in keys.items():
            try:
                written[key] = plain(value, speak)
            except ValueError as fault:
                self.problems.append(problem(made, f"`{key}`: {fault}" if key else str(fault)))
        return written

    def _task(self, task: Task) -> dict[str, Any]:
        self.places[".".join(task.path)] = place(task.made, self._file)
        used: list[Task] = []

        def speak(output: Output) -> str:
            used.append(output._task)
            return expression(output, task.scope)

        body = {} if task.body is None else {_BODY: task.body}
        keys = self.keys({**body, **task.keys}, task.made, speak)
        needs = self._needs(task, used)
        written = {"needs": needs[0] if len(needs) == 1 else needs} if needs else {}
        written |= keys if task.kind is None else _with_body(task.kind, keys)
        return {**written, "tasks": self.tasks(task)} if isinstance(task, Group) else written

    def _needs(self, task: Task, used: Sequence[Task]) -> list[str]:
        needs = []
        for upstream in (*task.upstream, *used):
            try:
                needs.append(upstream if isinstance(upstream, str) else reference(upstream, task.scope))
            except Unreachable as fault:
                self.problems.append(problem(task.made, str(fault)))
        return list(dict.fromkeys(needs))


def _with_body(kind: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a task, with those that are options of its type put together."""
    options = {key: keys[key] for key in keys if key != _BODY and _is_option(kind, key)}
    body = keys.get(_BODY, {})
    if options:
        body = {**(body if isinstance(body, dict) else BODIES[kind](body)), **options}
    return {kind: body, **{key: value for key, value in keys.items() if key != _BODY and key not in options}}


def _is_option(kind: str, key: str) -> bool:
    """Whether a keyword is for the type. What both have is for the task, unless that only waits."""
    of_task, of_type = (definition(name)["properties"] for name in ("task", kind))
    if key in of_task:
        return key in of_type and kind not in BODIES
    return key in of_type or bool(did_you_mean(key, of_type))
