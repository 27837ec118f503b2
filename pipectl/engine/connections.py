"""The connections of a run: computed when they are used, so that those nobody uses need no values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipectl.connections import Connection, render
from pipectl.errors import PipelineError, Problem
from pipectl.model import Pipeline
from pipectl.spec.world import shown_file, work
from pipectl.task_tree import own_tasks
from pipectl.template import Renderer, TemplateError


class Connections(Mapping[str, Connection]):
    """The connections of a pipeline by name; `names` are what their expressions see.

    Looking one up raises TemplateError where it cannot be computed.
    """

    def __init__(self, pipeline: Pipeline, names: Mapping[str, Any]) -> None:
        self._declared = pipeline.connections
        self._names = names
        self._renderer = Renderer(pipeline.folder)
        self._rendered: dict[str, Connection] = {}

    def __getitem__(self, name: str) -> Connection:
        if name not in self._rendered:
            try:
                self._rendered[name] = render(self._declared[name], self._renderer, self._names)
            except TemplateError as error:
                raise error.within(f"connection `{name}`") from error
        return self._rendered[name]

    def __contains__(self, name: object) -> bool:
        return name in self._declared

    def __iter__(self) -> Iterator[str]:
        return iter(self._declared)

    def __len__(self) -> int:
        return len(self._declared)


def check_connections(pipeline: Pipeline, connections: Mapping[str, Connection]) -> None:
    """Computes the connections that tasks go by. Raises PipelineError with each that cannot be."""
    problems = []
    used = {work(task)[1].get("connection") for task in own_tasks(pipeline.tasks)}
    for name, declared in pipeline.connections.items():
        try:
            if name in used:
                connections[name]
        except TemplateError as error:
            file = shown_file(declared.file)
            problems.append(Problem(file, declared.line, declared.column, error.message, error.hint))
    if problems:
        raise PipelineError(problems)
