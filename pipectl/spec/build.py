"""A document to the model: for a file that was just loaded, and for one that was stored with its run. Cannot fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipectl.model import (
    NO_RETRY,
    Cache,
    Connection,
    Foreach,
    Pipeline,
    Pool,
    Resources,
    Retry,
    Secret,
    Task,
    TriggerRule,
)

_TUPLES = ("needs", "expect", "tags")


class PlacedText(str):
    """A text that knows where its file says it."""

    line: int
    column: int


def build(document: Mapping[str, Any]) -> Pipeline:
    """The pipeline of a document that `load` made, or of the same read back from JSON."""
    fields: dict[str, Any] = {key: value for key, value in document.items() if key in Pipeline.__slots__}
    return Pipeline(
        **{
            **fields,
            "tags": tuple(document.get("tags", ())),
            "env_file": _placed(document.get("env_file")),
            "secrets": {name: _secret(name, value) for name, value in document.get("secrets", {}).items()},
            "connections": {
                name: Connection(**{**value, "name": name}) for name, value in document.get("connections", {}).items()
            },
            "pools": {name: _pool(value) for name, value in document.get("pools", {}).items()},
            "tasks": _tasks(document["tasks"], ""),
        },
    )


def _placed(value: Mapping[str, Any] | None) -> PlacedText | None:
    if value is None:
        return None
    text = PlacedText(value["path"])
    text.line, text.column = value["line"], value["column"]
    return text


def _secret(name: str, value: Mapping[str, Any]) -> Secret:
    source = value["value"]
    return Secret(**{**value, "name": name, "value": tuple(source) if isinstance(source, list) else source})


def _tasks(documents: Mapping[str, Mapping[str, Any]], prefix: str) -> dict[str, Task]:
    return {name: _task(prefix + name, value) for name, value in documents.items()}


def _task(path: str, value: Mapping[str, Any]) -> Task:
    fields: dict[str, Any] = {key: one for key, one in value.items() if key in Task.__slots__}
    fields |= {key: tuple(fields[key]) for key in _TUPLES if key in fields}
    fields["trigger"] = TriggerRule(value.get("trigger", TriggerRule.ALL_SUCCESS))
    fields["retries"] = _retry(value.get("retries"))
    if "resources" in value:
        fields["resources"] = Resources(**value["resources"])
    if "cache" in value:
        fields["cache"] = _cache(value["cache"])
    if "foreach" in value:
        fields["foreach"] = Foreach(**value["foreach"])
    if "tasks" in value:
        fields["tasks"] = _tasks(value["tasks"], f"{path}.")
    if "pipeline" in value:
        fields["pipeline"] = build(value["pipeline"])
    return Task(**{**fields, "name": path})


def _pool(value: Mapping[str, Any]) -> Pool:
    rate = value["rate"]
    return Pool(value["slots"], None if rate is None else (rate[0], rate[1]))


def _cache(value: Mapping[str, Any]) -> Cache:
    return Cache(**{**value, "inputs": tuple(value["inputs"]), "outputs": tuple(value["outputs"])})


def _retry(value: Mapping[str, Any] | None) -> Retry:
    if value is None:
        return NO_RETRY
    return Retry(**{**value, "on": tuple(value.get("on", ()))})
