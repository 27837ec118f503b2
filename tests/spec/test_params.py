"""Which values the parameters of a run get."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl.errors import UsageError
from pipectl.labels import param_variable
from pipectl.model import Pipeline
from pipectl.spec import json_schema
from pipectl.spec.params import fragment, resolve

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def pipeline(**declared: Any) -> Pipeline:
    return Pipeline("p", "/p.yaml", "/", {}, params={name: fragment(value) for name, value in declared.items()})


def value(declared: Any, text: str) -> Any:
    return resolve(pipeline(a=declared), {"a": text}, {})["a"]


def fault(
    declared: Mapping[str, Any], given: Mapping[str, str], from_file: Mapping[str, Any] | None = None
) -> UsageError:
    with pytest.raises(UsageError) as raised:
        resolve(pipeline(**declared), given, from_file or {})
    return raised.value


@pytest.mark.parametrize(
    ("declared", "text", "expected"),
    [
        ("x", "5", "5"),
        ("x", "", ""),
        ("x", '"quoted"', '"quoted"'),
        ({"type": "string"}, "null", "null"),
        ({"type": ["string", "null"]}, "null", "null"),
        (1, "5", 5),
        (1, "1e3", 1000),
        (1.5, "2", 2),
        (True, "false", False),
        ([], '["a", 1]', ["a", 1]),
        ({"type": "object"}, '{"a": null}', {"a": None}),
        ({}, "5", "5"),
        ({"enum": [1, 2]}, "1", 1),
        ({"enum": ["a", 2]}, "a", "a"),
        ({"type": ["string", "integer"], "pattern": "^x"}, "5", 5),
        ({"type": "string", "format": "date"}, "2026-01-31", "2026-01-31"),
        ({"type": "string", "format": "uri"}, "https://example.org/", "https://example.org/"),
        ({"type": "integer", "minimum": 3}, "3", 3),
    ],
)
def test_text_is_read_as_the_type_says(declared: Any, text: str, expected: Any) -> None:
    got = value(declared, text)
    assert got == expected
    assert isinstance(got, type(expected))


@pytest.mark.parametrize(
    ("declared", "text", "message"),
    [
        (1, "x", "parameter `a` must be a whole number, not `x`"),
        (1, "1.5", "parameter `a` must be a whole number, not `1.5`"),
        (1, "true", "parameter `a` must be a whole number, not `true`"),
        (True, "yes", "parameter `a` must be true or false, not `yes`"),
        ([], "a,b", "parameter `a` must be a list, not `a,b`"),
        (1.5, "NaN", "parameter `a` cannot be read: NaN is not JSON"),
        (1.5, "1e400", "parameter `a` cannot be read: 1e400 is too large a number"),
        ([], "[1e999]", "parameter `a` cannot be read: 1e999 is too large a number"),
        ([], '["\\ud800"]', "parameter `a` cannot be read: it holds half a character ('\\ud800')"),
        ("x", "\udcff", "parameter `a` is not UTF-8"),
        ([], '["\udcff"]', "parameter `a` is not UTF-8"),
        ({"type": "number", "multipleOf": 0.5}, "9" * 1000, "parameter `a` is too large or too deep to be checked"),
        ({"type": "integer", "minimum": 1}, "0", "parameter `a` must be at least 1, not `0`"),
        ({"type": "string", "format": "date"}, "2026-13-01", "parameter `a` must be a valid date, not `2026-13-01`"),
        ({"type": "string", "format": "duration"}, "1h", "parameter `a` must be a valid duration, not `1h`"),
        ({"type": "string", "format": "email"}, "me", "parameter `a` must be a valid email, not `me`"),
        ({"enum": ["dev", "prod"]}, "test", "parameter `a` must be one of `dev`, `prod`, not `test`"),
        (
            {"type": "array", "items": {"type": "integer"}},
            '[1, "x"]',
            "parameter `a` at `1` must be a whole number, not `x`",
        ),
    ],
)
def test_text_that_does_not_fit_is_told(declared: Any, text: str, message: str) -> None:
    assert fault({"a": declared}, {"a": text}).message == message


def test_brackets_without_end_are_told_and_not_a_crash() -> None:
    assert fault({"a": []}, {"a": "[" * 100_000}).message == "parameter `a` cannot be read: it is nested too deeply"


def test_lists_too_deep_to_be_compared_are_told_and_not_a_crash() -> None:
    text = f"[{'[' * 900}{']' * 900}, {'[' * 900}{']' * 900}]"
    assert "too deep to be checked" in fault({"a": {"type": "array", "uniqueItems": True}}, {"a": text}).message


def test_pattern_that_tries_too_many_ways_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_schema, "TIME_LIMIT", 0.05)
    error = fault({"a": {"type": "string", "pattern": "^(a+)+$"}}, {"a": "a" * 60 + "!"})
    assert error.message == "parameter `a` takes too long to check: its `pattern` tries too many ways"


@pytest.mark.parametrize(
    ("declared", "example"),
    [
        ({"type": "string"}, "VALUE"),
        ({"type": "string", "pattern": "^x"}, "VALUE"),
        ({"type": "string", "examples": ["New York"]}, "'New York'"),
        ({"enum": ["it's"]}, "'it'\"'\"'s'"),
        ({"type": "boolean", "enum": [True]}, "true"),
        ({"type": "integer", "maximum": 4}, "4"),
        ({"type": "integer", "maximum": 4, "examples": [7, 3]}, "3"),
        ({"type": "number", "minimum": 10}, "10"),
        ({"type": "integer", "multipleOf": 7}, "0"),
        ({"type": "array"}, """'["a", "b"]'"""),
        ({"type": "array", "items": {"type": "integer"}}, "'[1, 2]'"),
        ({"type": "object", "required": ["k"]}, "VALUE"),
        ({"type": ["null", "integer"]}, "5"),
    ],
)
def test_example_for_a_required_parameter_fits_as_it_is_typed(declared: Any, example: str) -> None:
    assert fault({"a": declared}, {}).hint == f"add `-p a={example}`"
    if example != "VALUE":
        resolve(pipeline(a=declared), {"a": shlex.split(example)[0]}, {})


def test_all_faults_come_at_once() -> None:
    error = fault({"day": {"type": "string", "format": "date"}, "n": 1}, {"n": "x", "dya": "2026-01-01"})
    assert error.message.splitlines() == [
        "unknown parameter `dya`",
        "parameter `day` is required",
        "parameter `n` must be a whole number, not `x`",
    ]
    assert error.hint.splitlines() == ["did you mean `day`?", "add `-p day=2026-01-31`", "e.g. `-p n=5`"]
    assert error.exit_code == 2


def test_command_line_wins_over_the_file_and_the_file_over_the_default() -> None:
    got = resolve(pipeline(a=1, b=1, c=1), {"a": "3"}, {"a": 2, "b": 2})
    assert got == {"a": 3, "b": 2, "c": 1}


def test_values_of_the_file_are_checked_too() -> None:
    assert fault({"a": 1}, {}, {"a": "5"}).message == "parameter `a` must be a whole number, not `5`"


def test_pipeline_without_parameters_says_so() -> None:
    assert fault({}, {"a": "1"}).message == "unknown parameter `a`: pipeline `p` has none"


def test_variable_is_in_capitals_with_underscores() -> None:
    assert param_variable("flip-coin_2") == "PARAM_FLIP_COIN_2"


@given(JSON)
def test_default_stands_for_itself(default: Any) -> None:
    declared = {"default": default} if isinstance(default, dict) else fragment(default)
    got = resolve(Pipeline("p", "/p", "/", {}, params={"a": declared}), {}, {})
    assert got == {"a": default}


@given(st.text())
def test_any_text_is_a_value_of_a_text_parameter(text: str) -> None:
    assert value("x", text) == text


def test_plain_parameters_need_neither_yaml_nor_jsonschema() -> None:
    program = (
        "import sys; from pipectl.spec.build import build; from pipectl.spec.params import resolve\n"
        "document = {'name': 'p', 'file': '/p', 'folder': '/', 'tasks': {'a': {}}, "
        "'params': {'n': {'type': 'integer'}}}\n"
        "assert resolve(build(document), {'n': '5'}, {}) == {'n': 5}\n"
        "print(sorted({'yaml', 'jsonschema', 'jinja2', 'dotenv'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_slow_grammar_of_international_uris_is_not_built() -> None:
    program = (
        "import sys; from pipectl.spec.json_schema import value_faults\n"
        "print(len(list(value_faults({'format': 'uri'}, 'not a uri'))))\n"
        "print('lark' in sys.modules, 'rfc3987_syntax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False", "False"]
