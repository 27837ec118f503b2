"""Parameters: what a declaration means, and which values a run gets."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from pipectl.errors import UsageError
from pipectl.model import Pipeline
from pipectl.plain_json import NotJson, check_characters, parse_json
from pipectl.spec.schema import KIND_WORDS, kind_of
from pipectl.spec.words import did_you_mean

ANNOTATIONS = frozenset({"title", "description", "default", "examples", "deprecated"})


def fragment(value: Any) -> dict[str, Any]:
    """The JSON Schema fragment of a declared parameter; a default gives the type, null gives none."""
    if isinstance(value, dict):
        return value
    return {"default": None} if value is None else {"type": kind_of(value), "default": value}


def is_plain(declared: Mapping[str, Any]) -> bool:
    """Whether a fragment says no more than a type, so that jsonschema need not be imported."""
    return declared.keys() <= ANNOTATIONS | {"type"} and all(
        isinstance(declared.get(k, ""), str) for k in ("title", "description")
    )


def plain_faults(declared: Mapping[str, Any], value: Any) -> Iterator[str]:
    """What keeps a value from fitting a fragment that says no more than a type."""
    kinds = types_of(declared.get("type"))
    kind = kind_of(value)
    whole = kind == "number" and float(value).is_integer()
    if (
        kinds
        and kind not in kinds
        and not (kind == "integer" and "number" in kinds)
        and not (whole and "integer" in kinds)
    ):
        shown = json.dumps(value, ensure_ascii=False) if kind != "string" else value
        yield f"must be {' or '.join(KIND_WORDS.get(k, k) for k in kinds)}, not `{shown}`"


def types_of(types: Any) -> list[Any]:
    """The value of `type` as a list, empty where any type will do."""
    return types if isinstance(types, list) else [] if types is None else [types]


def resolve(pipeline: Pipeline, given: Mapping[str, str], from_file: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every parameter: from the command line, else from a file of parameters, else its default.

    `given` holds texts, read as JSON where the parameter's type allows no text; `from_file` holds values. Raises
    UsageError that names every unknown, missing and unfit parameter.
    """
    faults = [_unknown(name, pipeline) for name in (*given, *from_file) if name not in pipeline.params]
    values: dict[str, Any] = {}
    for name, declared in pipeline.params.items():
        if name in given:
            values[name], wrong = _from_text(declared, given[name])
        elif name in from_file:
            values[name], wrong = from_file[name], list(value_faults(declared, from_file[name]))
        elif "default" in declared:
            values[name], wrong = declared["default"], []
        else:
            faults.append((f"parameter `{name}` is required", f"add `-p {name}={_example(declared) or 'VALUE'}`"))
            continue
        faults += [(f"parameter `{name}` {fault}", _value_hint(name, declared)) for fault in wrong]
    if faults:
        hints = list(dict.fromkeys(hint for _, hint in faults if hint))
        raise UsageError("\n".join(message for message, _ in faults), "\n".join(hints))
    return values


def _unknown(name: str, pipeline: Pipeline) -> tuple[str, str]:
    if not pipeline.params:
        return f"unknown parameter `{name}`: pipeline `{pipeline.name}` has none", ""
    known = ", ".join(f"`{param}`" for param in pipeline.params)
    return f"unknown parameter `{name}`", did_you_mean(name, pipeline.params) or f"parameters are {known}"


def _from_text(declared: Mapping[str, Any], text: str) -> tuple[Any, list[str]]:
    """The value that a text stands for, and what is wrong with it."""
    kinds = types_of(declared.get("type"))
    wrong: list[str] = []
    try:
        check_characters(text)
    except ValueError:
        return text, ["is not UTF-8"]
    if not kinds or "string" in kinds:
        wrong = list(value_faults(declared, text))
        if not wrong:
            return text, []
    try:
        value = parse_json(text)
    except NotJson:
        return text, wrong or list(value_faults(declared, text)) or ["is not JSON"]
    except ValueError as error:
        return text, wrong or [f"cannot be read: {error}"]
    if isinstance(value, float) and value.is_integer() and "integer" in kinds:
        value = int(value)
    unfit = list(value_faults(declared, value))
    return value, wrong if unfit and wrong else unfit


def value_faults(declared: Mapping[str, Any], value: Any) -> Iterator[str]:
    """What keeps a value from fitting a fragment."""
    if is_plain(declared):
        yield from plain_faults(declared, value)
        return
    from pipectl.spec import json_schema  # costs 0.1 s, and most runs do without

    for path, fault in json_schema.value_faults(dict(declared), value):
        yield f"at `{'.'.join(map(str, path))}` {fault}" if path else fault


def _value_hint(name: str, declared: Mapping[str, Any]) -> str:
    kinds = types_of(declared.get("type"))
    if ("string" in kinds or not kinds) and declared.get("format") not in _EXAMPLES:
        return ""
    example = _example(declared)
    return f"e.g. `-p {name}={example}`" if example else ""


_EXAMPLES: dict[str, tuple[Any, ...]] = {
    "date": ("2026-01-31",),
    "date-time": ("2026-01-31T06:00:00Z",),
    "time": ("06:00:00Z",),
    "duration": ("PT1H",),
    "uri": ("https://example.org/",),
    "email": ("name@example.org",),
    "integer": (5, 1, 0),
    "number": (0.5, 5),
    "boolean": (True, False),
    "array": (["a", "b"], [1, 2], []),
    "object": ({"a": 1}, {}),
}


def _example(declared: Mapping[str, Any]) -> str:
    """A value that fits, as it is typed in a shell; empty where none comes to mind."""
    listed = [declared[key] for key in ("examples", "enum") if isinstance(declared.get(key), list)]
    candidates = [value for values in listed for value in values]
    candidates += [declared[key] for key in ("minimum", "maximum") if key in declared]
    for kind in (declared.get("format"), *types_of(declared.get("type"))):
        candidates += _EXAMPLES.get(str(kind), ())
    for value in candidates:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if not _from_text(declared, text)[1]:
            return shlex.quote(text)
    return ""
