"""What differs between the pipeline that a run went by so far and the one that it is to go by from now on.

A task differs where its definition does, and where it names a parameter, a constant, a variable or a connection whose
value does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pipectl.labels import param_variable
from pipectl.model import Pipeline, Task

_FIELDS = ("type", "body", "needs", "left_out", "trigger", "when", "foreach", "env", "cwd", "expect")
"""What a task is; how often it is tried, for how long and beside what does not change what it did."""

_LONGEST_SHOWN = 60
_RUNS_A_PROGRAM = r"\A(?:shell|python)\n"


@dataclass(frozen=True, slots=True)
class Given:
    """What one pipeline goes by: itself, its parameters and its constants."""

    pipeline: Pipeline
    params: Mapping[str, Any]
    vars: Mapping[str, Any]


@dataclass(slots=True)
class Differences:
    """What differs: of tasks, by path, why; those that are gone; and what else does, in words."""

    changed: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """All of it, a line each."""
        changed = [f"`{path}` {why}" for path, why in self.changed.items()]
        return [*self.values, *changed, *(f"`{path}` is gone" for path in self.gone)]


def differences(before: Given, after: Given) -> Differences:
    """What differs, groups and sub-pipelines included."""
    found = Differences()
    found.values = [
        *_values("parameter", before.params, after.params),
        *_values("constant", before.vars, after.vars),
    ]
    named = _names_that_differ(before, after)
    _compare(before.pipeline.tasks, after.pipeline.tasks, "", named, found)
    return found


def _compare(
    before: Mapping[str, Task], after: Mapping[str, Task], prefix: str, named: Mapping[str, str], found: Differences
) -> None:
    for name, task in after.items():
        path = prefix + name
        why = "is new" if name not in before else _why(before[name], task, named)
        if why:
            found.changed[path] = why
        elif task.is_group:
            inner = {**named, **_of_environments(before[name].env, task.env)}
            if task.pipeline is not None and before[name].pipeline is not None:
                inner = _names_of_definitions(before[name].pipeline, task.pipeline)
            _compare(before[name].children, task.children, f"{path}.", inner, found)
    found.gone += [prefix + name for name in before if name not in after]


def _why(before: Task, after: Task, named: Mapping[str, str]) -> str:
    """Why a task differs, empty where it does not."""
    for key in _FIELDS:
        old, new = getattr(before, key), getattr(after, key)
        if old != new and not (after.is_group and key == "env"):
            return f"has another `{_where(key, after, old, new)}`"
    if before.pipeline is not None and after.pipeline is not None:
        for key in ("params", "vars"):
            if getattr(before.pipeline, key) != getattr(after.pipeline, key):
                return f"has other `{key}` in its file"
    text = _text(after)
    return next((f"names {what}" for pattern, what in named.items() if re.search(pattern, text)), "")


def _where(key: str, task: Task, old: Any, new: Any) -> str:
    if key != "body":
        return "needs" if key == "left_out" else key
    inner = next((name for name in {**old, **new} if old.get(name) != new.get(name)), "")
    return f"{task.type}.{inner}"


def _text(task: Task) -> str:
    """All that the task itself says, its type first."""
    own = {key: getattr(task, key) for key in ("body", "when", "env", "cwd", "expect")}
    foreach = asdict(task.foreach) if task.foreach else None
    return f"{task.type}\n" + json.dumps({**own, "foreach": foreach, "cache": task.cache and asdict(task.cache)})


def _names_that_differ(before: Given, after: Given) -> dict[str, str]:
    """Patterns of the texts that name what differs, each with what that is."""
    found = {}
    for name in _keys_that_differ(before.params, after.params):
        found[_either(_reference("params", name), rf"\b{param_variable(name)}\b")] = f"the parameter `{name}`"
    for name in _keys_that_differ(before.vars, after.vars):
        found[_reference("vars", name)] = f"the constant `{name}`"
    return {**found, **_through(found, after.pipeline), **_names_of_definitions(before.pipeline, after.pipeline)}


def _through(named: Mapping[str, str], pipeline: Pipeline) -> dict[str, str]:
    """What differs by what it is computed of: the environment of all tasks, and connections."""
    found = {}
    for pattern, what in named.items():
        if re.search(pattern, json.dumps(pipeline.env)):
            found[_RUNS_A_PROGRAM] = f"{what} by its environment"
        for name, shape in _shapes(pipeline).items():
            if re.search(pattern, json.dumps(shape)):
                found[_connection(name)] = f"{what} by the connection `{name}`"
    return found


def _names_of_definitions(before: Pipeline | None, after: Pipeline | None) -> dict[str, str]:
    if before is None or after is None:
        return {}
    found = _of_environments(before.env, after.env)
    for name in _keys_that_differ(_shapes(before), _shapes(after)):
        found[_connection(name)] = f"the connection `{name}`"
    return found


def _connection(name: str) -> str:
    return _either(_reference("connections", name), rf'"connection": "{re.escape(name)}"')


def _of_environments(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """A variable may be used by whatever a task runs, so all that run something differ."""
    names = _keys_that_differ(before, after)
    return {_RUNS_A_PROGRAM: f"the variable `{names[0]}` of its environment"} if names else {}


def _shapes(pipeline: Pipeline) -> dict[str, Any]:
    return {name: (one.url, one.headers, one.auth, one.verify) for name, one in pipeline.connections.items()}


def _reference(section: str, name: str) -> str:
    return rf"\b{section}(?:\.{re.escape(name)}\b|\[.{{0,2}}{re.escape(name)}\b)"


def _either(*patterns: str) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns)


def _keys_that_differ(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [name for name in {**before, **after} if name not in before or before.get(name) != after.get(name)]


def _values(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in _keys_that_differ(before, after):
        old, new = (_shown(values[name]) if name in values else "nothing" for values in (before, after))
        yield f"{kind} `{name}`: {old} -> {new}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
