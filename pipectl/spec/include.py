"""The files that a pipeline file includes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pipectl.errors import PipelineError, Problem
from pipectl.spec.files import not_a_file
from pipectl.spec.source import Part, Source

_DEEPEST = 20

Read = Callable[[str, str], Source]


def included(main: Source, folder: str, read: Read) -> tuple[list[Source], list[Problem]]:
    """The files that `main` includes, after those that they include themselves, each once; and what kept others out.

    `read` gets an absolute path and the name to show, and raises PipelineError.
    """
    inclusion = _Inclusion(read)
    inclusion.visit(main, folder, os.path.dirname(main.file) if main.path else "", (main.path,))  # noqa: PTH120
    return list(inclusion.found.values()), inclusion.problems


class _Inclusion:
    def __init__(self, read: Read) -> None:
        self._read = read
        self.found: dict[str, Source] = {}
        self.problems: list[Problem] = []

    def visit(self, source: Source, folder: str, shown: str, above: tuple[str, ...]) -> None:
        section = Part(source, (), source.data).get("include")
        for entry in section.entries() if section is not None else ():
            if isinstance(entry.value, str) and entry.value:  # else the schema tells
                self._take(entry, Path(folder), Path(shown), above)

    def _take(self, entry: Part, folder: Path, shown: Path, above: tuple[str, ...]) -> None:
        path = os.path.normpath(folder / entry.value)
        if problem := _not_constant(entry) or not_a_file(entry, Path(path)) or _circular(entry, path, above):
            self.problems.append(problem)
        elif path not in self.found:
            name = os.path.normpath(shown / entry.value)
            try:
                child = self._read(path, name)
            except PipelineError as error:
                self.problems += error.problems
                return
            self.visit(child, str(Path(path).parent), str(Path(name).parent), (*above, path))
            self.found[path] = child


def _circular(entry: Part, path: str, above: tuple[str, ...]) -> Problem | None:
    if path in above:
        circle = " -> ".join(Path(one).name for one in (*above[above.index(path) :], path))
        return entry.problem(f"the files include one another in a cycle: {circle}", "remove one of the includes")
    if len(above) > _DEEPEST:
        return entry.problem(f"files include one another more than {_DEEPEST} deep")
    return None


def _not_constant(entry: Part) -> Problem | None:
    if "{{" not in entry.value:
        return None
    return entry.problem("`include` must be constant: the plan is made of it", "write the path itself")
