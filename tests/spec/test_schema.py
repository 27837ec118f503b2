"""The JSON Schema of the file, and our reading of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl.durations import parse_duration
from pipectl.spec import schema
from pipectl.spec.json_schema import schema_faults, value_faults

KEYS = sorted(
    {
        "name",
        "params",
        "env",
        "tasks",
        "secrets",
        "connections",
        "defaults",
        "include",
        "x-a",
        "nope",
        "timeout",
        "tags",
        "pools",
        "gpus",
    }
)
TASK_KEYS = [
    "shell",
    "python",
    "sql",
    "http",
    "needs",
    "retries",
    "timeout",
    "env",
    "expect",
    "trigger",
    "when",
    "priority",
    "wait",
    "approve",
    "pool",
    "resources",
    "cache",
    "foreach",
    "key",
    "tasks",
    "pipeline",
    "nope",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 300),
    st.floats(-2, 300),
    st.sampled_from(["", "a", "10m", "a b", "always", "4G", "60/1m"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "max",
                    "on",
                    "delay",
                    "script",
                    "argv",
                    "call",
                    "url",
                    "query",
                    "load",
                    "rate",
                    "memory",
                    "file",
                    "a",
                    "a b",
                ]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=6,
)
TASKS = st.dictionaries(
    st.sampled_from(["a", "b", "a b"]), st.dictionaries(st.sampled_from(TASK_KEYS), VALUES), max_size=2
)


def places(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for key, inner in node.get("properties", {}).items():
        yield f"{path}.{key}", inner
        yield from places(inner, f"{path}.{key}")
    for name, inner in node.get("$defs", {}).items():
        yield from places(inner, name)


def test_schema_is_a_valid_schema() -> None:
    assert list(schema_faults(schema.schema())) == []


@pytest.mark.parametrize(("path", "node"), list(places(schema.schema())))
def test_every_key_has_title_and_description(path: str, node: dict[str, Any]) -> None:
    described = {**schema.definition(node["$ref"].rsplit("/", 1)[1]), **node} if "$ref" in node else node
    assert described["title"]
    assert described["description"].endswith((".", "?"))


@given(
    st.one_of(VALUES, st.dictionaries(st.sampled_from(KEYS), VALUES), st.builds(lambda tasks: {"tasks": tasks}, TASKS))
)
def test_our_reading_of_the_schema_is_that_of_jsonschema(data: Any) -> None:
    assert bool(list(schema.faults(data))) == bool(list(value_faults(schema.schema(), data)))


@given(st.from_regex(schema.definition("duration")["pattern"], fullmatch=True))
def test_every_duration_that_the_schema_lets_pass_can_be_read(text: str) -> None:
    assert parse_duration(text) >= 0


@given(st.text(alphabet="0123456789.smhd", max_size=9))
def test_every_duration_that_can_be_read_passes_the_schema(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError:
        return
    assert not list(schema.faults({"timeout": text, "tasks": {"a": {}}}))


def test_trigger_rules_of_the_schema_are_those_of_the_model() -> None:
    from pipectl.model import TriggerRule

    assert schema.definition("trigger")["enum"] == [rule.value for rule in TriggerRule]
