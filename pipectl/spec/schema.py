"""Checks plain data against `pipeline.schema.json`, the one description of the file format.

The schema keeps to a plain subset of draft 2020-12 (`type` lists instead of `oneOf`), which this module reads itself:
every fault is told once and where it is, 10,000 tasks take a tenth of a second, and jsonschema, which takes longer to
import than a small pipeline to run, is left to the parameters that need it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from pipectl.spec.source import Path

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A value that breaks one keyword of its schema. `path` leads to it; `key` is the key in it that is wrong."""

    path: Path
    keyword: str
    schema: Schema
    value: Any
    key: str | None = None


@cache
def schema() -> Schema:
    """The schema of a pipeline file."""
    text = resources.files("pipectl.schemas").joinpath("pipeline.schema.json").read_text(encoding="utf-8")
    loaded: Schema = json.loads(text)
    return loaded


def definition(name: str) -> Schema:
    """The schema `#/$defs/<name>`, references followed."""
    return _resolved(f"#/$defs/{name}")


def faults(data: Any, *, included: bool = False) -> Iterator[Fault]:
    """Every fault of a whole file, in the order of the file; `included`: of one that need not have tasks."""
    root = {**schema(), "required": []} if included else schema()
    return _check(root, data, ())


KIND_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}
"""The JSON Schema types in the words of the file language."""


def kind_of(value: Any) -> str:
    """The JSON Schema type of a value."""
    return _KINDS[next(kind for kind in _KINDS if isinstance(value, kind))]


_KINDS = {
    bool: "boolean",
    str: "string",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "null",
}


@cache
def _resolved(reference: str) -> Schema:
    target: Schema = schema()["$defs"][reference.removeprefix("#/$defs/")]
    return _follow(target)


def _follow(node: Schema) -> Schema:
    """The schema with its `$ref` taken in; what stands beside the reference wins."""
    reference = node.get("$ref")
    return {**_resolved(reference), **node} if reference else node


def _check(node: Schema, value: Any, path: Path) -> Iterator[Fault]:
    if "$ref" in node:
        node = _follow(node)
    kind = kind_of(value)
    if "type" in node and not _is(value, kind, node["type"]):
        yield Fault(path, "type", node, value)
    elif "enum" in node and value not in node["enum"]:
        yield Fault(path, "enum", node, value)
    elif kind in _CHECKS:
        yield from _CHECKS[kind](node, value, path)


def _is(value: Any, kind: str, wanted: str | list[str]) -> bool:
    kinds = (wanted,) if isinstance(wanted, str) else wanted
    if kind in kinds or (kind == "integer" and "number" in kinds):
        return True
    return kind == "number" and "integer" in kinds and bool(value.is_integer())


def _check_text(node: Schema, value: str, path: Path) -> Iterator[Fault]:
    if len(value) < node.get("minLength", 0):
        yield Fault(path, "minLength", node, value)
    elif "pattern" in node and not _pattern(node["pattern"]).search(value):
        yield Fault(path, "pattern", node, value)


def _check_number(node: Schema, value: float, path: Path) -> Iterator[Fault]:
    if value < node.get("minimum", value):
        yield Fault(path, "minimum", node, value)
    elif value > node.get("maximum", value):
        yield Fault(path, "maximum", node, value)


def _check_list(node: Schema, value: list[Any], path: Path) -> Iterator[Fault]:
    if len(value) < node.get("minItems", 0):
        yield Fault(path, "minItems", node, value)
    items = node.get("items")
    if items is not None:
        for index, item in enumerate(value):
            yield from _check(items, item, (*path, index))


def _check_mapping(node: Schema, value: dict[str, Any], path: Path) -> Iterator[Fault]:
    if len(value) < node.get("minProperties", 0):
        yield Fault(path, "minProperties", node, value)
    elif len(value) > node.get("maxProperties", len(value)):
        yield Fault(path, "maxProperties", node, value)
    for key in node.get("required", ()):
        if key not in value:
            yield Fault(path, "required", node, value, key)
    excluded = [pair["required"] for pair in node.get("not", {}).get("anyOf", ())]
    if together := {key for pair in excluded if all(map(value.__contains__, pair)) for key in pair}:
        yield Fault(path, "not", node, value, [key for key in value if key in together][-1])
    for key in value:
        yield from _check_key(node, value, key, path)


def _check_key(node: Schema, value: dict[str, Any], key: str, path: Path) -> Iterator[Fault]:
    if key in node.get("properties", ()):
        yield from _check(node["properties"][key], value[key], (*path, key))
        return
    if any(_pattern(pattern).search(key) for pattern in node.get("patternProperties", ())):
        return
    more = node.get("additionalProperties", True)
    if more is False:
        yield Fault(path, "additionalProperties", node, value, key)
        return
    if "propertyNames" in node and next(_check(node["propertyNames"], key, path), None):
        yield Fault(path, "propertyNames", _follow(node["propertyNames"]), value, key)
    if more is not True:
        yield from _check(more, value[key], (*path, key))


_CHECKS: dict[str, Any] = {
    "string": _check_text,
    "integer": _check_number,
    "number": _check_number,
    "array": _check_list,
    "object": _check_mapping,
}


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\$$", r"\\Z", pattern))  # `$` would let a last newline pass
