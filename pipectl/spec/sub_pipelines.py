"""The pipelines that tasks name: read once each, and fit to be part of the one that names them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipectl.errors import Problem
from pipectl.spec.declaration import Declaration
from pipectl.spec.files import not_a_file
from pipectl.spec.long_forms import pool
from pipectl.spec.params import value_faults
from pipectl.spec.scalars import as_text
from pipectl.spec.source import Part, Source
from pipectl.spec.words import did_you_mean

_DEEPEST = 20
_DEEPEST_TASK = 60
_MOST_TASKS = 1_000_000
_OF_RUNS = frozenset({"timeout", "durability", "gpus"})


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a file: its document where no problem is an error, and what it and its sub-pipelines are made of.

    `size` is the number of its tasks, `depth` how many tasks stand one within another; both with its sub-pipelines.
    """

    problems: tuple[Problem, ...]
    sources: tuple[Source, ...] = ()
    declaration: Declaration | None = None
    document: dict[str, Any] | None = None
    size: int = 0
    depth: int = 0


Check = Callable[[str, str], Checked]
"""Checks the file of an absolute path, which is shown by a name."""


def children(
    declaration: Declaration, above: tuple[str, ...], check: Check
) -> tuple[dict[str, Checked], list[Problem]]:
    """What the tasks of the declaration name, by their paths, and what kept others out.

    `above` are the files, by their real paths, on the way to this one, itself included.
    """
    found: dict[str, Checked] = {}
    problems: list[Problem] = []
    for path, task in declaration.tasks.items():
        file = file_of(task)
        if file is None:
            continue
        target = _path(file, declaration.folder)
        if problem := _not_constant(file) or not_a_file(file, target) or _circular(file, target, above):
            problems.append(problem)
        else:
            shown = os.path.normpath((Path(file.source.file).parent if file.source.path else Path()) / file.value)
            found[path] = check(str(target), shown)
    return found, problems


def file_of(task: Part) -> Part | None:
    """The file that a task names as its sub-pipeline."""
    pipeline = task.get("pipeline")
    return pipeline.get("file") if pipeline is not None and isinstance(pipeline.value, dict) else pipeline


def problems_of_children(declaration: Declaration, found: Mapping[str, Checked]) -> Iterator[Problem]:
    """What keeps the pipelines that were found from being part of this one."""
    for path, child in found.items():
        file = file_of(declaration.tasks[path])
        if child.document is not None and file is not None:
            yield from _without_effect(child)
            yield from _param_problems(declaration.tasks[path]["pipeline"], file, child.document["params"])
    yield from _small_pools(declaration, found)
    yield from _different_pools(declaration, found)
    size, depth = extent(declaration, found)
    if size > _MOST_TASKS:
        message = f"with those of its sub-pipelines the pipeline has more than {_MOST_TASKS:,} tasks"
        yield declaration.top.problem(message)
    if depth > _DEEPEST_TASK:
        yield declaration.top.problem(f"tasks stand one within another more than {_DEEPEST_TASK} deep")


def _without_effect(child: Checked) -> Iterator[Problem]:
    """What such a pipeline says of a run of its own."""
    if child.declaration is None:
        return
    for key, part in child.declaration.top.items():
        if key in _OF_RUNS:
            message = f"`{key}` has no effect where the pipeline is part of another's run"
            yield part.problem(message, "say it in the file that is run", key=True, warning=True)


def extent(declaration: Declaration, found: Mapping[str, Checked]) -> tuple[int, int]:
    """The number of all tasks, and how many stand one within another."""
    depths = [path.count(".") + 1 + (found[path].depth if path in found else 0) for path in declaration.tasks]
    return len(declaration.tasks) + sum(child.size for child in found.values()), max(depths, default=0)


def _path(file: Part, folder: str) -> Path:
    """The absolute path of the file, with links among the folders before it followed."""
    path = Path(os.path.dirname(file.source.path) if file.source.path else folder, file.value)  # noqa: PTH120
    try:
        return path.parent.resolve() / path.name
    except (OSError, ValueError, RuntimeError):
        return path


def _not_constant(file: Part) -> Problem | None:
    if "{{" not in file.value:
        return None
    return file.problem("the file of a sub-pipeline must be constant: the plan is made of it", "write the path itself")


def _circular(file: Part, target: Path, above: tuple[str, ...]) -> Problem | None:
    real = os.path.realpath(target)
    if real in above:
        circle = " -> ".join(Path(one).name for one in (*above[above.index(real) :], real))
        return file.problem(f"the pipelines run one another in a cycle: {circle}", "remove one of these tasks")
    if len(above) > _DEEPEST:
        return file.problem(f"pipelines run one another more than {_DEEPEST} deep")
    return None


def _param_problems(pipeline: Part, file: Part, declared: Mapping[str, Any]) -> Iterator[Problem]:
    given = pipeline.get("params")
    for name, value in given.items() if given is not None else ():
        if name not in declared:
            known = ", ".join(f"`{one}`" for one in declared)
            hint = did_you_mean(name, declared) or (f"its parameters are {known}" if declared else "it has none")
            yield value.problem(f"`{file.value}` has no parameter `{name}`", hint, key=True)
        elif not any("{{" in text.value for text in value.texts()):
            for fault in value_faults(declared[name], value.value):
                yield value.problem(f"parameter `{name}` of `{file.value}` {fault}", _quoted(declared[name], value))
    if "params" in pipeline.taken:
        return
    said = given.value if given is not None else {}
    for name in [one for one, fragment in declared.items() if "default" not in fragment and one not in said]:
        hint = f"write `pipeline: {{file: {file.value}, params: {{{name}: …}}}}`"
        yield file.problem(f"`{file.value}` requires the parameter `{name}`", hint)


def _quoted(declared: Mapping[str, Any], value: Part) -> str:
    is_number = isinstance(value.value, int | float) and not isinstance(value.value, bool)
    return f'put it in quotes: `"{as_text(value.value)}"`' if is_number and declared.get("type") == "string" else ""


def _small_pools(declaration: Declaration, found: Mapping[str, Checked]) -> Iterator[Problem]:
    """Pools of this file, whose word holds, that are too small for a task of a sub-pipeline."""
    slots = {name: pool(part.value)["slots"] for name, part in declaration.pools.items() if part.value}
    most: dict[str, tuple[int, str]] = {}
    for path, child in found.items() if slots else ():
        for name, called, wanted in _taken(child.document["tasks"] if child.document is not None else {}, path):
            if 0 < slots.get(called, 0) < wanted and wanted > most.get(called, (0, ""))[0]:
                most[called] = (wanted, name)
    for called, (wanted, name) in most.items():
        message = f"pool `{called}` is too small here: task `{name}` takes {wanted} slots"
        yield declaration.pools[called].problem(message, f"give it {wanted} slots", key=True)


def _taken(tasks: Mapping[str, Mapping[str, Any]], path: str) -> Iterator[tuple[str, str, int]]:
    for name, task in tasks.items():
        for called, wanted in task.get("pool", {}).items():
            yield f"{path}.{name}", called, wanted
        inner = task["pipeline"]["tasks"] if "pipeline" in task else task.get("tasks", {})
        yield from _taken(inner, f"{path}.{name}")


def _different_pools(declaration: Declaration, found: Mapping[str, Checked]) -> Iterator[Problem]:
    """Pools of sub-pipelines that are not what another sub-pipeline says, while this file says nothing."""
    first: dict[str, tuple[str, Any]] = {}
    for path, child in found.items():
        file = file_of(declaration.tasks[path])
        pools = child.document["pools"] if child.document is not None else {}
        for name, declared in pools.items():
            other, known = first.setdefault(name, (file.value if file is not None else "", declared))
            if file is not None and declared != known and name not in declaration.pools:
                message = f"`{other}` and `{file.value}` each declare a pool `{name}`, and not the same"
                yield file.problem(message, f"declare it here: `pools: {{{name}: …}}`")
