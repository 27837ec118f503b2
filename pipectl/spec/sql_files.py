"""The SQL files of a pipeline: read when it is loaded, since what they hold is part of the definition."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pipectl.errors import PipelineError, Problem
from pipectl.spec.declaration import Declaration
from pipectl.spec.files import not_a_file, read_text
from pipectl.spec.source import Part, Place, Source
from pipectl.spec.waits import holder


class SqlFile(Source):
    """A file that is one text, whose faults are told in its own lines."""

    def within(self, place: Place, value: str, offset: int) -> Place:
        """The place of the character at `offset`."""
        return value.count("\n", 0, offset) + 1, offset - value.rfind("\n", 0, offset)


def read(declaration: Declaration) -> Iterator[Problem]:
    """Reads the files that SQL tasks name, relative to the pipeline's folder; tells of those that cannot be read."""
    for task in declaration.tasks.values():
        sql = holder(task).get("sql")
        file = sql.get("file") if sql is not None else None
        if file is not None and file.value not in declaration.sql_files:
            yield from _read(file, declaration)


def _read(file: Part, declaration: Declaration) -> Iterator[Problem]:
    if "{{" in file.value:
        message = "`file` must be constant: its SQL is checked before anything runs"
        yield file.problem(message, "write the path itself; values go into the SQL, as `{{ params.NAME }}`")
        return
    path = os.path.normpath(Path(declaration.folder, file.value))
    if problem := not_a_file(file, Path(path)):
        yield problem
        return
    main = declaration.main
    shown = os.path.normpath(Path(main.file if main.path else "").parent / file.value)
    try:
        text, digest = read_text(path, shown)
    except PipelineError as error:
        yield from error.problems
        return
    declaration.sql_files[file.value] = source = SqlFile(shown, path, text, text, {}, digest)
    if not text.strip():
        yield Part(source, (), text).problem("the file holds no SQL")


def sql_of(sql: Part, declaration: Declaration) -> Part | None:
    """The text of an SQL task, inline or of its file; None where it has none, or none that could be read."""
    file = sql.get("file")
    if file is None:
        return sql if isinstance(sql.value, str) else sql.get("query")
    source = declaration.sql_files.get(file.value)
    return None if source is None else Part(source, (), source.text)
