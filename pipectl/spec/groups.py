"""Groups, sub-pipelines and repeated tasks in their long forms, and what a group gives to the tasks in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PASSED_ON = ("cwd", "pool", "retries", "timeout", "grace")
"""The keys of a group that are defaults of the tasks in it."""

OF_HOLDERS = (
    "needs",
    "trigger",
    "when",
    "allow_failure",
    "description",
    "tags",
    "foreach",
    "max_parallel",
    "fail_fast",
)
"""The keys of groups and sub-pipelines that are their own."""


def own_keys(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a task, with all it inherits, says of itself: without what a group only passes on, or has no use for."""
    if "tasks" in task:
        return {key: value for key, value in task.items() if key in (*OF_HOLDERS, "env", "key")}
    if "pipeline" in task:
        return {key: value for key, value in task.items() if key in (*OF_HOLDERS, "key")}
    return task


def passed_on(group: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What the tasks in a group are given, of what the group itself is. Its `env` stays with it, for all of them."""
    inherited = {key: value for key, value in given.items() if key != "env"}
    return {**inherited, **{key: group[key] for key in PASSED_ON if key in group}}


def foreach(value: Any, key: str | None) -> dict[str, Any]:
    """The long form of `foreach` with the `key` beside it: `{items}` or `{matrix, exclude, include}`."""
    made = {"key": key.strip()} if key is not None else {}
    if not isinstance(value, dict):
        return {"items": value.strip() if isinstance(value, str) else value, **made}
    matrix = {name: values.strip() if isinstance(values, str) else values for name, values in dimensions(value).items()}
    return {"matrix": matrix, **{name: value[name] for name in _NO_DIMENSIONS if name in value}, **made}


def dimensions(matrix: Mapping[str, Any]) -> dict[str, Any]:
    """The lists of which a matrix is the product."""
    return {name: values for name, values in matrix.items() if name not in _NO_DIMENSIONS}


def pipeline_body(value: Any) -> dict[str, Any]:
    """`{file}` for a text, with `params`."""
    return {"params": {}, **value} if isinstance(value, dict) else {"file": value, "params": {}}


_NO_DIMENSIONS = ("exclude", "include")
