"""Files and tasks of a shape that is not ours but easily guessed: each is told once, by what it was meant to be."""

from __future__ import annotations

from collections.abc import Iterator

from pipectl.errors import PipelineError, Problem
from pipectl.spec.bodies import TYPES
from pipectl.spec.messages import task_keys
from pipectl.spec.nesting import HOLDERS
from pipectl.spec.schema import definition
from pipectl.spec.source import Part, Path, Source

_TYPES = (*TYPES, *HOLDERS)
_TRIED_TYPES = (*_TYPES, "run", "command", "cmd", "script", "bash")


def refuse_foreign(source: Source) -> None:
    """Raises PipelineError, with nothing else, where the file is another tool's."""
    data = source.data
    if not isinstance(data, dict) or "tasks" in data:
        return
    for keys, tool in _FOREIGN:
        if all(key in data for key in keys):
            hint = "a pipeline holds `tasks:`; a task is `NAME: {needs: [OTHER], shell: COMMAND}`"
            place = source.place((keys[-1],), key=True)
            raise PipelineError([source.problem(place, f"this is {tool}, not a pipeline", hint)])


_FOREIGN = (
    (("on", "jobs"), "a GitHub Actions workflow"),
    (("stages", "image"), "a GitLab CI file"),
    (("services",), "a Compose file"),
    (("apiVersion", "kind"), "a Kubernetes or Argo manifest"),
    (("flows",), "a Kestra flow"),
    (("steps",), "a Dagu file"),
)


def misplaced(source: Source) -> Iterator[tuple[Path, Problem]]:
    """Tasks that are no tasks, with their paths: entries named after a type, bodies beside their names."""
    groups = [Part(source, (), source.data)]
    for group in groups:  # grows while it is walked
        tasks = group.get("tasks")
        if tasks is None:
            continue
        if isinstance(tasks.value, list):
            for entry in tasks.entries():
                if isinstance(entry.value, dict) and (found := _nameless(entry)):
                    yield entry.path, found
                else:
                    groups += _groups(entry)
        elif isinstance(tasks.value, dict):
            yield from _bodies_beside(tasks)
            groups += _groups(tasks)


def _groups(tasks: Part) -> Iterator[Part]:
    return (task for _, task in tasks.items() if isinstance(task.value, dict) and "tasks" in task.value)


def _bodies_beside(tasks: Part) -> Iterator[tuple[Path, Problem]]:
    bodiless: Part | None = None
    for name, task in tasks.items():
        if task.value is None:
            bodiless = task
        elif isinstance(task.value, dict):
            bodiless = None
        elif bodiless is not None and name in task_keys():
            yield bodiless.path, _misplaced(task, name, f"indent it under `{bodiless.path[-1]}:`")
            yield task.path, _misplaced(task, name, f"indent it under `{bodiless.path[-1]}:`")
        elif name in _TYPES:
            yield task.path, _misplaced(task, name, f"give the task a name: `NAME: {{{name}: …}}`")


def _misplaced(task: Part, name: str, hint: str) -> Problem:
    return task.problem(f"`{name}` stands where a task's name is expected", hint, key=True)


def _nameless(entry: Part) -> Problem | None:
    keys = list(entry.value)
    named = entry.value.get("name", entry.value.get("id"))
    if isinstance(named, str) and len(keys) > 1:
        key = "name" if "name" in keys else "id"
        return entry[key].problem("a task's name is its key", f"write `- {named}: {{shell: …}}`", key=True)
    if keys and keys[0] in _TRIED_TYPES and _is_body(keys[0], entry.value[keys[0]]):
        kind = keys[0] if keys[0] in _TYPES else "shell"
        return _misplaced(entry[keys[0]], keys[0], f"give the task a name: `- NAME: {{{kind}: …}}`")
    if len(keys) > 1 and all(key in task_keys() for key in keys[1:]):
        return entry[keys[1]].problem(
            f"`{keys[1]}` stands beside the task's name", f"indent it under `{keys[0]}:`", key=True
        )
    return None


def _is_body(kind: str, value: object) -> bool:
    """Whether the value is what a type has, and no task."""
    if not isinstance(value, dict):
        return True
    if kind == "tasks":
        return value.keys().isdisjoint(task_keys())
    options = definition(kind).get("properties", {}).keys() if kind in _TYPES else frozenset()
    return not value.keys().isdisjoint(options - task_keys())
