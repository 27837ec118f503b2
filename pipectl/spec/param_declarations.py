"""What is wrong with the declarations of parameters, found before any value is given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipectl.errors import Problem
from pipectl.labels import param_variable
from pipectl.spec.check_pasted import expression_in
from pipectl.spec.params import ANNOTATIONS, is_plain, plain_faults, types_of
from pipectl.spec.scalars import WrittenFloat, as_text, resolve
from pipectl.spec.schema import kind_of
from pipectl.spec.source import Part
from pipectl.spec.words import did_you_mean

_KEYWORDS = ANNOTATIONS | {
    "type", "enum", "const", "format", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "items", "prefixItems", "contains", "minItems", "maxItems", "minContains",
    "maxContains", "uniqueItems", "properties", "patternProperties", "additionalProperties", "propertyNames",
    "required", "minProperties", "maxProperties", "dependentRequired", "allOf", "anyOf", "oneOf", "not", "if", "then",
    "else", "unevaluatedProperties", "unevaluatedItems", "dependentSchemas", "contentEncoding", "contentMediaType",
    "readOnly", "writeOnly",
}  # fmt: skip
_TYPES = frozenset({"string", "integer", "number", "boolean", "object", "array", "null"})
_TRIED = {
    "choices": "write `enum: [a, b]`",
    "options": "write `enum: [a, b]`",
    "values": "write `enum: [a, b]`",
    "min": "write `minimum`",
    "max": "write `maximum`",
    "regex": "write `pattern`",
    "help": "write `description`",
    "optional": "a parameter with a `default` is optional",
    "value": "write `default`",
    "$ref": "write the schema itself",
}
_TRIED_TYPES = {
    "str": "string", "text": "string", "int": "integer", "float": "number", "double": "number", "bool": "boolean",
    "list": "array", "dict": "object", "map": "object", "mapping": "object", "none": "null",
}  # fmt: skip
_FORMATTED_TYPES = ("date", "date-time", "time", "uri", "email", "duration", "uuid")


def declaration_problems(params: Mapping[str, Part]) -> Iterator[Problem]:
    """What is wrong with the declarations: fragments, defaults that do not fit them, names that collide."""
    variables: dict[str, str] = {}
    for name, part in params.items():
        yield from _expressions(part.get("default") if isinstance(part.value, dict) else part)
        other = variables.setdefault(param_variable(name), name) if part.path[0] == "params" else name
        if other != name and other.casefold() != name.casefold():
            message = f"parameters `{other}` and `{name}` would both be `{param_variable(name)}`"
            yield part.problem(message, "rename one of them", key=True)
        if isinstance(part.value, dict):
            yield from _fragment_problems(name, part)
        else:
            yield from lost_zeros(name, part)


def lost_zeros(name: str, part: Part) -> Iterator[Problem]:
    """Warnings for numbers whose last zero probably means something to a reader (`3.10`)."""
    for scalar in part.scalars():
        value = scalar.value
        if isinstance(value, WrittenFloat) and re.fullmatch(r"[1-9][0-9]*\.[0-9]+0", value.text):
            message = f"`{name}`: `{value.text}` is the number {float(value)!r}"
            yield scalar.problem(message, f'as text it is `"{value.text}"`', warning=True)


def _expressions(default: Part | None) -> Iterator[Problem]:
    for text in default.texts() if default else ():
        if found := expression_in(text.value):
            message = f"a default is constant, and `{found}` is not computed in it"
            hint = "write it in `vars`" if text.path[0] == "params" else ""
            yield text.problem(message, hint, offset=text.value.find("{{"))


def _fragment_problems(name: str, part: Part) -> Iterator[Problem]:
    words = list(_keyword_problems(part))
    yield from words
    if words:
        return
    declared = part.value
    if is_plain(declared):
        faults = [] if "default" not in declared else list(plain_faults(declared, declared["default"]))
        yield from (_default_problem(name, part, ((), fault)) for fault in faults)
        return
    from pipectl.spec import json_schema  # costs 0.1 s, and most files do without

    broken = list(json_schema.schema_faults(declared))
    for path, fault in broken:
        yield _schema_problem(name, part, path, fault)
    for key, inner in _keywords(part):
        if key == "format" and isinstance(inner.value, str) and inner.value not in json_schema.formats():
            hint = did_you_mean(inner.value, json_schema.formats()) or "leave it out, or write a `pattern`"
            yield inner.problem(f"unknown format `{inner.value}`", hint)
    if "default" in declared and not broken:
        for found in json_schema.value_faults(declared, declared["default"]):
            yield _default_problem(name, part, found)


def _keyword_problems(part: Part) -> Iterator[Problem]:
    for key, value in part.items():
        if key == "required" and isinstance(value.value, bool):
            yield value.problem("`required` lists names", "a parameter without a `default` is required", key=True)
        elif key == "type" and (
            wrong := [t for t in types_of(value.value) if not isinstance(t, str) or t not in _TYPES]
        ):
            yield value.problem(f"`{wrong[0]}` is not a JSON Schema type", _type_hint(wrong[0]))
        elif key not in _KEYWORDS:
            yield value.problem(f"unknown key `{key}`", _keyword_hint(key, part), key=True)
    for key, inner in _keywords(part):
        if key in ("$ref", "$dynamicRef", "$id", "$schema") and len(inner.path) > 3:
            yield inner.problem(f"`{key}` is not supported in a parameter", "write the schema itself", key=True)


def _keyword_hint(key: str, part: Part) -> str:
    known = part.value.keys() & (_KEYWORDS | _TRIED.keys())
    if known or did_you_mean(key, ("type", "default")):
        return _TRIED.get(key) or did_you_mean(key, _KEYWORDS)
    return f"a mapping is a JSON Schema: write `{part.path[-1]}: {{default: {{{key}: …}}}}`"


def _type_hint(wrong: Any) -> str:
    if wrong in _FORMATTED_TYPES:
        return f"write `{{type: string, format: {wrong}}}`"
    if isinstance(wrong, str) and wrong.lower() in _TRIED_TYPES:
        return f"write `{_TRIED_TYPES[wrong.lower()]}`"
    return "types are " + ", ".join(f"`{name}`" for name in sorted(_TYPES))


def _keywords(part: Part) -> Iterator[tuple[str, Part]]:
    """The keys of a schema and of the schemas in it, with their values."""
    for key, value in part.items():
        yield key, value
        if key not in ("default", "enum", "const", "examples"):
            for entry in value.entries():
                yield from _keywords(entry)


def _schema_problem(name: str, part: Part, path: tuple[str | int, ...], fault: str) -> Problem:
    place = part.source.place((*part.path, *path))
    at = f"`{path[-1]}` of `{name}`" if path else f"`{name}`"
    return part.source.problem(place, f"{at} {fault}")


def _default_problem(name: str, part: Part, found: tuple[tuple[str | int, ...], str]) -> Problem:
    path, fault = found
    default = part["default"]
    kinds = types_of(part.value.get("type"))
    text = as_text(default.value)
    hint = ""
    if isinstance(default.value, str) and kind_of(resolve(text)) in {*kinds} - {"string"}:
        hint = f"write `{text}`, without quotes"
    elif isinstance(default.value, int | float) and "string" in kinds:
        hint = f'put it in quotes: `"{str(text).lower()}"`'
    return part.source.problem(part.source.place((*default.path, *path)), f"the default of `{name}` {fault}", hint)
