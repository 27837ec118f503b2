"""What an instance with `cache` is known by: from its task and what its expressions come to, to a request."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipectl.engine.cache_key import Request
from pipectl.engine.outputs import Outputs
from pipectl.engine.prepare import Preparer
from pipectl.graph import Node, frames
from pipectl.model import Task
from pipectl.tasks.base import TaskFailed
from pipectl.template import SQL_FILTERS, to_json

_NOT_RENDERED = frozenset({"script", "code", "call"})
_MOMENTS = ("PIPECTL_DATE", "PIPECTL_LOGICAL_TIME", "PIPECTL_INTERVAL_START", "PIPECTL_INTERVAL_END")


def request_of(preparer: Preparer, outputs: Outputs, node: Node) -> Request:
    """What to look for. Raises TaskFailed or TemplateError where what it depends on cannot be computed."""
    cache, task, scope = node.task.cache, node.task, preparer.scope(node)
    assert cache is not None
    env, names = preparer.surroundings(node, 1)
    render = scope.renderer.render_tree
    rendered = [
        to_json([part if isinstance(part, str) else [part.value, part.filter] for part in parts])
        for parts in (scope.renderer.parts(text, names, SQL_FILTERS) for text in _rendered_texts(task.body))
    ]
    declared = [*scope.setting.pipeline.env, *(name for _, entries in preparer.layers(node) for name in entries)]
    keyed = cache.key is not None
    return Request(
        type=task.type or "",
        body=task.body,
        folder=scope.setting.pipeline.folder,
        cwd=preparer.cwd(node, names),
        inputs=tuple(_paths("inputs", render(list(cache.inputs), names), env)),
        outputs=tuple(_paths("outputs", render(list(cache.outputs), names), env)),
        rendered=[*rendered, *_connection(preparer, node), *_named(task, env, names), list(task.expect)],
        env={name: env.get(name) for name in declared},
        item=[copy.item for copy in frames(node)],
        params={} if keyed else scope.setting.params,
        upstream={} if keyed else outputs.needed(node),
        key=render(cache.key, names) if keyed else None,
        ttl=cache.ttl,
    )


def _paths(key: str, values: list[Any], env: Mapping[str, str]) -> Iterator[str]:
    """The patterns, of lists that expressions gave as well; `~/` is the task's home."""
    for value in values:
        if isinstance(value, list):
            yield from _paths(key, value, env)
        elif not isinstance(value, str) or not value or "\0" in value:
            raise TaskFailed(f"`cache.{key}` must come to paths, not to `{value!r:.40}`")
        else:
            home = env.get("HOME")
            yield home + value[1:] if home and value.startswith("~/") else value


def _named(task: Task, env: Mapping[str, str], names: Mapping[str, Any]) -> Iterator[Any]:
    """What scripts and inline code name that is no parameter and no output: the time of the run, and constants."""
    text = json.dumps([task.body, dict(task.env)])
    yield from ([name, env.get(name)] for name in _MOMENTS if name in text)
    code = str(task.body.get("code", "")) if task.type == "python" else ""
    for name in ("vars", "index", "outer"):
        if name in names and re.search(rf"\b{name}\b", code):
            yield [name, to_json(names[name])]
    if re.search(r"\brun\b", code):
        yield to_json({name: value for name, value in names["run"].items() if name not in {"id", "dir", "cause"}})


def _connection(preparer: Preparer, node: Node) -> Iterator[Any]:
    """Where the task's connection leads, without what gets it in."""
    name = node.task.body.get("connection")
    if isinstance(name, str):
        address = preparer.connection(node, name).address
        yield [address.scheme, address.user, address.host, address.port, address.database, address.query]


def _rendered_texts(value: Any) -> Iterator[str]:
    """The texts of a body in which expressions are computed."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _NOT_RENDERED and not (key == "query" and value.get("render") is False):
                yield from _rendered_texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _rendered_texts(inner)
