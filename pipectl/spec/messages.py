"""Faults of the schema in the words of the file's author."""

from __future__ import annotations

import re
from typing import Any

from pipectl.errors import Problem
from pipectl.spec.bodies import TYPES
from pipectl.spec.nesting import task_at
from pipectl.spec.scalars import as_text
from pipectl.spec.schema import KIND_WORDS, Fault, definition, kind_of, schema
from pipectl.spec.source import Path, Source
from pipectl.spec.words import did_you_mean, explain_unknown
from pipectl.spec.wrong_types import EMPTY_HINTS, FIRST_PIPELINE, LISTS, MAPPINGS, type_hint

_WANTED = {**KIND_WORDS, "null": "empty"}
NAME_RULE = "a name is letters, digits, `_` and `-`, at most 80"


def problem(source: Source, fault: Fault) -> Problem:
    """The problem behind a fault, at the key or value that is wrong."""
    if fault.keyword in _AT_KEY:
        message, hint = _AT_KEY[fault.keyword](fault)
        return source.problem(source.place((*fault.path, fault.key or ""), key=True), message, hint)
    message, hint = _AT_VALUE[fault.keyword](fault)
    return source.problem(source.place(fault.path), message, hint)


def spoken(path: Path) -> str:
    """The value at a path, as a message names it: its key in backticks, or an entry of it."""
    if not path:
        return "the file"
    if isinstance(path[-1], int):
        return f"an entry of {spoken(path[:-1])}"
    task, key = task_at(path)
    if task and not key:
        return f"task `{task}`"
    if len(path) == 2 and path[0] in ("secrets", "connections", "pools"):
        return f"{str(path[0]).removesuffix('s')} `{path[-1]}`"
    return f"`{path[-1]}`"


def described(value: Any) -> str:
    """A value as a message shows it."""
    kind = kind_of(value)
    if kind == "null":
        return "empty"
    if kind in ("object", "array"):
        return _WANTED[kind]
    shown = str(value).lower() if kind == "boolean" else str(as_text(value))
    shown = shown if len(shown) <= 60 and "\n" not in shown else f"{shown.splitlines()[0][:60]}…"
    if kind == "boolean":
        return f"`{shown}`"
    return f"{'text' if kind == 'string' else 'a number'} (`{shown}`)"


def _type(fault: Fault) -> tuple[str, str]:
    wanted = fault.schema["type"]
    kinds = [wanted] if isinstance(wanted, str) else wanted
    name = spoken(fault.path)
    if fault.value is None and fault.path:
        return f"{name} is empty", EMPTY_HINTS.get(fault.schema.get("title", ""), "give it a value, or remove the key")
    if not fault.path and fault.value is None:
        return "the file is empty", FIRST_PIPELINE
    if isinstance(fault.value, str) and "{{" in fault.value:
        return _constant(fault)
    listed = " or ".join(_WANTED[kind] for kind in kinds)
    if fault.schema.get("title") in LISTS:
        listed = "a list or a mapping of lists" if "object" in kinds else "a list"
    return f"{name} must be {listed}, not {described(fault.value)}", type_hint(fault, kinds)


def _enum(fault: Fault) -> tuple[str, str]:
    allowed = fault.schema["enum"]
    shown = fault.value if isinstance(fault.value, str) else described(fault.value)
    name = spoken(fault.path)
    if isinstance(fault.value, str) and "{{" in fault.value:
        return _constant(fault)
    message = f"`{shown}` is no value of {name}" if isinstance(fault.value, str) else f"{name} cannot be {shown}"
    near = did_you_mean(fault.value, allowed) if isinstance(fault.value, str) else ""
    return message, near or "write " + _alternatives(allowed)


def _pattern(fault: Fault) -> tuple[str, str]:
    name = spoken(fault.path)
    if "{{" in fault.value:
        return _constant(fault)
    for known, (what, hint) in _FORMS.items():
        if fault.schema["pattern"] == definition(known)["pattern"]:
            near = "" if known == "name" else _near_form(fault.schema["pattern"], fault.value)
            return f"{name}: `{fault.value}` is not {what}", f"write `{near}`" if near else hint
    if fault.value.isdigit():
        return f"{name} cannot be text (`{fault.value}`)", f"write it without quotes: `{fault.value}`"
    message = f"{name} cannot be `{fault.value}`"
    if re.search(fault.schema["pattern"], fault.value.lower()):
        return message, f"write `{fault.value.lower()}`"
    if fault.schema["pattern"] == definition("expect_status")["pattern"]:
        return message, "write numbers, classes such as `2xx`, or `any`"
    hint = "write exit codes, statuses such as `503` and `5xx`, `timeout`, `connection`, or names of exceptions"
    return message, hint


_FORMS = {
    "duration": ("a duration", "write e.g. `30s`, `10m`, `1h30m`, or a number of seconds"),
    "name": ("a name", NAME_RULE),
    "size": ("a size", "write e.g. `512M`, `4G`"),
    "rate": ("a rate", "write how many starts there may be in a time, e.g. `60/1m`"),
}


def _near_form(pattern: str, text: str) -> str:
    """The text in the form that a pattern asks for, where only case, spaces or a one are wrong; else nothing."""
    plain = text.replace(" ", "")
    forms = (plain, plain.lower(), plain.upper(), plain.replace("/", "/1"))
    return next((form for form in forms if re.search(pattern, form)), "")


def _constant(fault: Fault) -> tuple[str, str]:
    """An expression where none is computed."""
    name, title = spoken(fault.path), fault.schema.get("title", "")
    if title in MAPPINGS:
        message = f"{name} must be a mapping; only what is in it may be computed"
        return message, f"write `{fault.path[-1]}: {MAPPINGS[title]}`"
    task, key = task_at(fault.path)
    in_a_type = fault.path[:1] == ("connections",) or any(
        step in TYPES for step in (key[:1] if task else fault.path[1:2])
    )
    reason = "expressions are not computed here" if in_a_type else "the plan is made of it"
    return f"{name} must be constant: {reason}", "write the value itself"


def _empty(fault: Fault) -> tuple[str, str]:
    hint = EMPTY_HINTS.get(fault.schema.get("title", ""), "give it a value, or remove the key")
    hint = FIRST_PIPELINE if fault.path in (("tasks",), ()) else hint
    return f"{spoken(fault.path)} is empty", hint


def _minimum(fault: Fault) -> tuple[str, str]:
    return f"{spoken(fault.path)} must be at least {fault.schema['minimum']}, not {as_text(fault.value)}", ""


def _maximum(fault: Fault) -> tuple[str, str]:
    return f"{spoken(fault.path)} must be at most {fault.schema['maximum']}, not {as_text(fault.value)}", ""


def _required(fault: Fault) -> tuple[str, str]:
    if not fault.path:
        return "the file has no `tasks`", FIRST_PIPELINE
    if fault.key == "url":
        hint = "write `url: https://HOST/PATH`, or `url: postgresql://USER:PASSWORD@HOST/DATABASE`"
        return f"{spoken(fault.path)} has no `url`", hint
    return f"{spoken(fault.path)} is without `{fault.key}`", f"write `{fault.key}: …`"


def _too_many(fault: Fault) -> tuple[str, str]:
    keys = _alternatives(fault.value, "and")
    if fault.path[0] == "secrets":
        return f"{spoken(fault.path)} has one source, not {keys}", "keep one of `env`, `file`, `command`"
    first = next(iter(fault.value))
    return (
        f"an entry of a list of tasks holds one task, not {keys}",
        f"begin each with `- `; indent the keys of `{first}` below it",
    )


def _two_types(fault: Fault) -> tuple[str, str]:
    known = {key for pair in fault.schema["not"]["anyOf"] for key in pair["required"]}
    types = [key for key in fault.value if key in known]
    number = ("two", "three", "four", "five", "six", "seven", "eight")[len(types) - 2]
    message = f"{spoken(fault.path)} has {number} types, {_alternatives(types, 'and')}"
    return message, f"make {number} tasks of it"


def _unknown(fault: Fault) -> tuple[str, str]:
    known = list(fault.schema["properties"])
    return explain_unknown(fault.schema.get("title", ""), fault.key or "", known, definition("task")["properties"])


def _key_name(fault: Fault) -> tuple[str, str]:
    if fault.schema.get("pattern") == definition("name")["pattern"]:
        return (
            f"`{fault.key}` is not a name" if fault.key else "an empty text is not a name",
            NAME_RULE,
        )
    if fault.schema["pattern"] == definition("headers")["propertyNames"]["pattern"]:
        return f"`{fault.key}` cannot be the name of a header", "it is made of letters, digits and `-`"
    return f"`{fault.key}` cannot be the name of a variable", "it holds no space and no `=`"


def _alternatives(names: Any, word: str = "or") -> str:
    quoted = [f"`{name}`" for name in names]
    return f" {word} ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


_AT_VALUE = {
    "type": _type,
    "enum": _enum,
    "pattern": _pattern,
    "minLength": _empty,
    "minItems": _empty,
    "minProperties": _empty,
    "minimum": _minimum,
    "maximum": _maximum,
    "required": _required,
    "maxProperties": _too_many,
}
_AT_KEY = {"additionalProperties": _unknown, "not": _two_types, "propertyNames": _key_name}


def task_keys() -> frozenset[str]:
    """The keys that a task may have."""
    return frozenset(schema()["$defs"]["task"]["properties"])
