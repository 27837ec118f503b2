"""A checked declaration as one plain JSON document: includes and defaults taken in, long forms, durations in seconds.

The document is what is stored with a run, and all that `build` needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipectl.durations import parse_duration
from pipectl.spec.bodies import BODIES, TYPES, as_texts, credentials, listed, whole
from pipectl.spec.check_graph import Graph
from pipectl.spec.declaration import Declaration
from pipectl.spec.groups import foreach, own_keys, passed_on, pipeline_body
from pipectl.spec.long_forms import cache, pool, resources, taken_slots
from pipectl.spec.params import fragment
from pipectl.spec.scalars import as_text
from pipectl.spec.source import Part
from pipectl.spec.task_body import task_body
from pipectl.spec.waits import OF_ATTEMPTS, approve_body, holder, inherited, kind_of, wait_body

_DURATIONS = ("timeout", "grace")
_PLAIN = (
    "trigger",
    "when",
    "max_parallel",
    "fail_fast",
    "stop_signal",
    "cwd",
    "allow_failure",
    "priority",
    "description",
)
_PATHS = {
    "shell": ("interpreter",),
    "python": ("interpreter", "script"),
    "http": ("body_file", "verify"),
}
_LONG_FORMS = {"pool": taken_slots, "resources": resources, "cache": cache}
_RETRY_DURATIONS = ("delay", "max_delay", "max_elapsed")
_TOP = ("description", "owner", "gpus", "max_parallel", "fail_fast", "durability")


def document(
    declaration: Declaration, graph: Graph, name: str, children: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The document of a pipeline without faults; `name` is for a file that does not say its own.

    `children` are the documents of the pipelines that tasks name, by the paths of these tasks.
    """
    top = declaration.top.value
    made: dict[str, Any] = {
        "name": top.get("name", name),
        "file": declaration.main.path or declaration.main.file,
        "folder": declaration.folder,
        **{key: whole(top[key]) for key in _TOP if key in top},
        "tags": listed(top.get("tags", [])),
        "params": {key: fragment(part.value) for key, part in declaration.params.items()},
        "vars": {key: part.value for key, part in declaration.vars.items()},
        "env": environment({key: part.value for key, part in declaration.env.items()}),
        "secrets": {key: _secret(key, part) for key, part in declaration.secrets.items()},
        "connections": {key: _connection(part) for key, part in declaration.connections.items()},
        "pools": {
            **{key: one for child in children.values() for key, one in child["pools"].items()},
            **{key: pool(part.value) for key, part in declaration.pools.items()},
        },
    }
    if "timeout" in top:
        made["timeout"] = parse_duration(top["timeout"])
    if env_file := declaration.top.get("env_file"):
        line, column = env_file.source.place(env_file.path)
        made["env_file"] = {"path": env_file.value, "line": line, "column": column}
    made["tasks"] = _tasks(declaration, graph, children)
    return made


def _tasks(
    declaration: Declaration, graph: Graph, children: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The documents of all tasks, each in that of the group that it is in, from which it inherits."""
    made: dict[str, dict[str, dict[str, Any]]] = {"": {}}
    given = {"": {key: _together(parts) for key, parts in declaration.defaults.items()}}
    for path, part in declaration.tasks.items():
        group, _, name = path.rpartition(".")
        task = _task(part, given[group], graph.needs[path])
        if "tasks" in part.value:
            task |= {"type": "tasks", "tasks": {}}
            given[path] = passed_on(part.value, given[group])
            made[path] = task["tasks"]
        elif "pipeline" in part.value:
            task |= {"type": "pipeline", "body": pipeline_body(part.value["pipeline"]), "pipeline": children[path]}
        else:
            task |= _type(part, given[group], declaration)
        made[group][name] = task
    return made[""]


def stem_name(path: str) -> str:
    """The name of a pipeline whose file does not give one: the stem, with `-` for what no name may hold."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", Path(path).stem).strip("-")[:80] or "pipeline"


def environment(env: Mapping[str, Any]) -> dict[str, Any]:
    """Variables with their numbers as they were typed: `3.10` stays `3.10`."""
    return {key: as_text(value) for key, value in env.items()}


def _secret(name: str, part: Part) -> dict[str, Any]:
    line, column = part.source.place(part.path, key=isinstance(part.value, dict))
    source, value = next(iter(part.value.items())) if isinstance(part.value, dict) else ("env", name)
    return {
        "source": source,
        "value": value,
        "file": part.source.path or part.source.file,
        "line": line,
        "column": column,
    }


def _connection(part: Part) -> dict[str, Any]:
    line, column = part.source.place(part.path, key=True)
    made = dict(part.value) if isinstance(part.value, dict) else {"url": part.value}
    if "headers" in made:
        made["headers"] = as_texts(made["headers"])
    if "auth" in made:
        made["auth"] = credentials(made["auth"])
    return {**made, "file": part.source.path or part.source.file, "line": line, "column": column}


def _type(part: Part, defaults: Mapping[str, Any], declaration: Declaration) -> dict[str, Any]:
    kind = _kind(part)
    if kind is None:
        return {}
    if kind == "wait":
        return {"type": kind, "body": _wait(part, defaults, declaration)}
    if kind == "approve":
        return {"type": kind, "body": approve_body(part.value[kind], defaults.get(kind, {}))}
    return {"type": kind, "body": _body(part, kind, defaults.get(kind, {}), declaration)}


def _wait(task: Part, defaults: Mapping[str, Any], declaration: Declaration) -> dict[str, Any]:
    wait = holder(task)
    kind = kind_of(wait.value) or ""
    look = _body(wait, kind, inherited(kind, defaults.get(kind, {})), declaration) if kind in BODIES else None
    return wait_body(wait.value, look, defaults.get("wait", {}))


def _body(part: Part, kind: str, defaults: Mapping[str, Any], declaration: Declaration) -> dict[str, Any]:
    name = declaration.option(part, kind, "connection")
    connection = declaration.connections[name.value].value if name is not None else {}
    body = task_body(kind, part.value[kind], defaults, connection if isinstance(connection, dict) else {})
    if kind == "sql" and "file" in body:
        body["query"] = declaration.sql_files[body["file"]].text
    return body


def _kind(task: Part) -> str | None:
    return next((kind for kind in TYPES if kind in task.value), None)


def _task(part: Part, defaults: Mapping[str, Any], needs: tuple[str, ...]) -> dict[str, Any]:
    written = own_keys({**_reaching(part, defaults), **part.value})
    line, column = part.source.place(part.path, key=True)
    made: dict[str, Any] = {"file": part.source.path or part.source.file, "line": line, "column": column}
    if needs:
        made["needs"] = list(needs)
    made |= {key: whole(written[key]) for key in _PLAIN if key in written}
    made |= {key: parse_duration(written[key]) for key in _DURATIONS if key in written}
    if "retries" in written:
        made["retries"] = _retries(written["retries"])
    if "env" in written:
        made["env"] = environment(_in_order(defaults.get("env", {}), part.value.get("env", {})))
    made |= {key: listed(written[key]) for key in ("expect", "tags") if key in written}
    if "foreach" in written:
        made["foreach"] = foreach(written["foreach"], written.get("key"))
    made |= {key: read(written[key]) for key, read in _LONG_FORMS.items() if written.get(key, False) is not False}
    if places := _places(part):
        made["places"] = places
    return made


def _reaching(task: Part, defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """The defaults that mean something to such a task."""
    kind = _kind(task)
    without = OF_ATTEMPTS if kind in ("wait", "approve") else () if kind else ("cache",)
    return {key: value for key, value in defaults.items() if key not in without}


def _places(task: Part) -> dict[str, list[int]]:
    """Where the task itself says a path that must be there when it starts, by the key."""
    at = holder(task)
    kind = _kind(at)
    body = task if kind is None else at[kind]
    load = body.get("load")
    parts = {"cwd": task.get("cwd"), "file": load and load.get("file")}
    parts |= {key: body.get(key) for key in _PATHS.get(kind or "", ())}
    return {key: list(part.source.place(part.path)) for key, part in parts.items() if part is not None}


def _together(parts: Sequence[Part]) -> Any:
    if len(parts) == 1:
        return parts[0].value
    return {key: value for part in parts for key, value in part.value.items()}


def _in_order(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Both together, each in its order; a key of both has its own value, after the own ones above it.

    So an entry sees those that stand above it, be they default or own.
    """
    made: dict[str, Any] = {}
    waiting = iter(own)
    for name, value in defaults.items():
        if name not in own:
            made[name] = value
        elif name not in made:
            for above in waiting:
                made[above] = own[above]
                if above == name:
                    break
    return {**made, **own}


def _retries(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {"max": int(value)}
    made = {key: parse_duration(value[key]) if key in _RETRY_DURATIONS else value[key] for key in value}
    made["max"] = int(value["max"])
    if "on" in value:
        made["on"] = [whole(one) for one in listed(value["on"])]
    return made
