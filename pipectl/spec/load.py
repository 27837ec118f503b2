"""A pipeline file to the document that everything else works with, or to all that is wrong with it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipectl.errors import PipelineError, Problem
from pipectl.spec import (
    check_graph,
    check_tasks,
    constants,
    first_mistakes,
    messages,
    param_declarations,
    schema,
    sql_files,
)
from pipectl.spec.check_groups import folder_problems
from pipectl.spec.check_pools import declared_pool_problems
from pipectl.spec.check_templates import TemplateCheck
from pipectl.spec.compose import parse
from pipectl.spec.declaration import Declaration, merge
from pipectl.spec.files import read_text
from pipectl.spec.include import included
from pipectl.spec.normalise import document, stem_name
from pipectl.spec.prune import prune
from pipectl.spec.source import Source
from pipectl.spec.sub_pipelines import Checked, children, extent, problems_of_children


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid pipeline: its document (plain JSON), the files it came from with the SHA-256 of each, and warnings."""

    document: dict[str, Any]
    sources: tuple[tuple[str, str], ...]
    warnings: tuple[Problem, ...]


def load(path: str) -> Loaded:
    """The pipeline of a file. Raises PipelineError with every problem of it and of the files it is made of."""
    if Path(path).is_dir():
        raise PipelineError([Problem(path, 0, 0, "this is a folder, not a pipeline file", _hint_in_folder(path))])
    with _without_collector():
        folder = Path(path).parent.resolve()
        return _load(_read(str(folder / Path(path).name), path), str(folder), stem_name(path))


def load_text(text: str, folder: str, name: str) -> Loaded:
    """The pipeline of a text that comes from no file, such as standard input; `folder` stands for the file's.

    Raises PipelineError as `load` does.
    """
    with _without_collector():
        return _load(parse(text, "<stdin>"), os.path.realpath(folder), stem_name(name))


def load_source(source: Source, folder: str, name: str) -> Loaded:
    """The pipeline of data that a program made, which is not read but consumed. Raises PipelineError as `load` does."""
    with _without_collector():
        return _load(source, os.path.realpath(folder), name)


@contextmanager
def _without_collector() -> Iterator[None]:
    """No garbage collection for a while: it would walk the growing data again and again, and find nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read(path: str, shown: str) -> Source:
    text, digest = read_text(path, shown)
    source = parse(text, shown, path)
    source.digest = digest
    return source


def _hint_in_folder(folder: str) -> str:
    try:
        names = sorted(p.name for p in Path(folder).iterdir() if p.suffix in (".yaml", ".yml") and p.is_file())
    except OSError:
        names = []
    return f"name the file in it: `{Path(folder, names[0])}`" if names else ""


def _load(main: Source, folder: str, name: str) -> Loaded:
    checked = _Loader().check(main, folder, name, ())
    if checked.document is None:
        raise PipelineError(checked.problems)
    files = {source.path: source.digest for source in checked.sources if source.path}
    return Loaded(checked.document, tuple(files.items()), checked.problems)


class _Loader:
    """Checks a file and, once each, the pipelines that its tasks name."""

    def __init__(self) -> None:
        self._checked: dict[str, Checked] = {}

    def check(self, main: Source, folder: str, name: str, above: tuple[str, ...]) -> Checked:
        """What becomes of a file that has been read; `above` are the real paths of those that led to it.

        Raises PipelineError where nothing but that can be told.
        """
        first_mistakes.refuse_foreign(main)
        others, unread = included(main, folder, _read)
        problems = list(unread)
        for source in (main, *others):
            problems += _schema_problems(source, is_included=source is not main)
        if unread:  # what they declare would be told as unknown
            raise PipelineError(_in_order(problems, (main, *others)))
        declaration, wrong = merge(main, others, folder)
        here = (*above, os.path.realpath(main.path)) if main.path else above
        found, not_found = children(declaration, here, lambda path, shown: self._file(path, shown, here))
        declaration.children = {path: child.declaration for path, child in found.items() if child.declaration}
        graph, of_graph = check_graph.graph(declaration)
        problems += [
            *wrong,
            *not_found,
            *of_graph,
            *sql_files.read(declaration),
            *_semantic_problems(declaration),
            *problems_of_children(declaration, found),
            *TemplateCheck(declaration, graph).problems(),
            *(problem for child in found.values() for problem in child.problems),
        ]
        sources = [*declaration.sources, *declaration.sql_files.values()]
        sources += [source for child in found.values() for source in child.sources]
        ordered = tuple(_in_order(problems, sources))
        made = None
        if all(problem.warning for problem in ordered):
            of_children = {path: child.document for path, child in found.items() if child.document is not None}
            made = document(declaration, graph, name, of_children)
        return Checked(ordered, tuple(sources), declaration, made, *extent(declaration, found))

    def _file(self, path: str, shown: str, above: tuple[str, ...]) -> Checked:
        if path not in self._checked:
            try:
                source = _read(path, shown)
                self._checked[path] = self.check(source, str(Path(path).parent), stem_name(path), above)
            except PipelineError as error:
                self._checked[path] = Checked(tuple(error.problems))
        return self._checked[path]


def _schema_problems(source: Source, *, is_included: bool) -> list[Problem]:
    told = dict(first_mistakes.misplaced(source))
    problems = list(told.values())
    faulty = list(told)
    for fault in schema.faults(source.data, included=is_included):
        path = fault.path if fault.key is None else (*fault.path, fault.key)
        if not any(path[: len(known)] == known for known in told):
            problems.append(messages.problem(source, fault))
            faulty += [path] if fault.keyword != "propertyNames" else []
    for path in faulty:
        prune(source, path)
    return problems


def _semantic_problems(declaration: Declaration) -> Iterator[Problem]:
    yield from check_graph.same_but_for_case(declaration)
    yield from param_declarations.declaration_problems(declaration.params)
    yield from check_tasks.common_problems(declaration)
    yield from constants.order(declaration)
    yield from declared_pool_problems(declaration)
    if declaration.connections:
        from pipectl.spec.check_connections import connection_problems

        yield from connection_problems(declaration)
    yield from folder_problems(declaration)
    for name, task in declaration.tasks.items():
        yield from check_tasks.task_problems(name, task, declaration)


def _in_order(problems: Sequence[Problem], sources: Sequence[Source]) -> list[Problem]:
    """Each problem once, by file and place; the file that was asked for comes first."""
    files = {source.file: index for index, source in enumerate(sources)}
    return sorted(dict.fromkeys(problems), key=lambda p: (files.get(p.file, len(files)), p.line, p.column))
