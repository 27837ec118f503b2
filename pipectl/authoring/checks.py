"""What a program made, through the checks that a file goes through: problems are told at the program's lines."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipectl.authoring.generated import Generated
from pipectl.errors import Problem
from pipectl.model import Pipeline
from pipectl.spec.build import build
from pipectl.spec.load import Loaded, load_source
from pipectl.spec.source import Place, Places, Source
from pipectl.spec.world import problems, shown_file


def load(generated: Generated) -> Loaded:
    """The checked pipeline. Raises PipelineError, with every problem.

    Its first source is what was made: a program may depend on anything, so its own text does not say what it makes.
    """
    text = json.dumps(generated.data)
    data = json.loads(text)  # a copy, for the checks take faulty parts out
    file = generated.file
    source = Source(shown_file(file) or "<python>", file, "", data, _places(data, generated))
    if file:
        source.digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    loaded = load_source(source, generated.folder, generated.data["name"])
    made = (f"{file or generated.folder}:", hashlib.sha256(text.encode()).hexdigest())
    return replace(loaded, sources=(made, *loaded.sources))


def checked(generated: Generated) -> tuple[Pipeline, list[Problem]]:
    """The pipeline and its warnings, with what it lacks outside of itself among them.

    Raises PipelineError where it is not valid.
    """
    loaded = load(generated)
    pipeline = build(loaded.document)
    missing = [replace(problem, warning=True) for problem in problems(pipeline, os.environ)]
    return pipeline, [*loaded.warnings, *missing]


def _places(data: dict[str, Any], generated: Generated) -> Places:
    """All parts of a task stand where the task was made."""
    found: Places = {}

    def mark(value: Any, place: Place, path: str | None) -> None:
        """`path` is that of a pipeline or task, None below one."""
        if isinstance(value, list):
            found[id(value)] = [place] * len(value)
            for one in value:
                mark(one, place, None)
        elif isinstance(value, dict):
            found[id(value)] = dict.fromkeys(value, (place, place))
            for key, one in value.items():
                if key == "tasks" and path is not None and isinstance(one, dict):
                    mark_tasks(one, place, path)
                else:
                    mark(one, place, None)

    def mark_tasks(tasks: dict[str, Any], place: Place, path: str) -> None:
        found[id(tasks)] = {}
        for name, task in tasks.items():
            inner = f"{path}.{name}" if path else name
            own = generated.places.get(inner, place)
            found[id(tasks)][name] = (own, own)
            mark(task, own, inner)

    mark(data, generated.places[""], "")
    return found
