"""What to write in place of a value of the wrong type."""

from __future__ import annotations

from pipectl.spec.scalars import as_text
from pipectl.spec.schema import Fault

SPOKEN_BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
FIRST_PIPELINE = "a first pipeline is `tasks: {hello: {shell: echo hello}}`"
_FIRST_TASK = "write `tasks: {NAME: {shell: …}}`"
EMPTY_HINTS = {
    "Task": "indent its keys under its name, or write `{}` for a task that only joins",
    "Secret": "write `{env: NAME}`",
    "Connection": "write `{url: …}`",
    "Tasks of a group": _FIRST_TASK,
    "Pool": "write a number of slots, `4`, or `{slots: 2, rate: 60/1m}`",
}


MAPPINGS = {
    "Connections": "{NAME: {url: …}}",
    "Headers": "{NAME: value}",
    "Authentication": "{bearer: …}",
    "Load": "{file: …, table: …}",
    "Cache": "{inputs: […], outputs: […]}",
    "Values of the answer": "{NAME: {type: string}}",
}
LISTS = {
    "Repeat": 'write a list, or one expression that gives one, such as `"{{ range(3) }}"`',
    "Values": "write a list, or one expression that gives one",
}
_CONSTANT_MAPPINGS = {"Pools": "{NAME: 4}", "Pool": "{slots: 2, rate: 60/1m}", "Resources": "{cpu: 2, memory: 4G}"}


def type_hint(fault: Fault, kinds: list[str]) -> str:
    """The hint for a value that is none of these kinds."""
    value = fault.value
    if fault.schema.get("title") in LISTS and not isinstance(value, str):
        return LISTS[fault.schema["title"]]
    if isinstance(value, str):
        if value.lower() in SPOKEN_BOOLEANS and "boolean" in kinds:
            return f"in YAML 1.2 `{value}` is text: write `{SPOKEN_BOOLEANS[value.lower()]}`"
        if "integer" in kinds or "number" in kinds:
            return f"write `{fault.path[-1]}: {fault.schema.get('minimum', 0) or 1}`"
        return _hint_for_text(fault)
    if "boolean" in kinds and isinstance(value, int):
        return "write `true` or `false`"
    if "string" in kinds and isinstance(value, int | float):
        text = str(value).lower() if isinstance(value, bool) else as_text(value)
        return f'put it in quotes: `"{text}"`'
    if not fault.path:
        return FIRST_PIPELINE
    if fault.schema.get("title") == "Text body":
        return "write `json:` or `form:` in place of `data:`"
    return _hint_for_list(fault) if isinstance(value, list) else ""


def _hint_for_list(fault: Fault) -> str:
    if fault.schema.get("title") == "Environment":
        return 'write a mapping: `env: {NAME: "value"}`'
    if fault.schema.get("title") == "Task":
        return f"write `{fault.path[-1]}: {{shell: […]}}`"
    if fault.path == ("connections",):
        return "write a mapping: `connections: {NAME: {url: …}}`"
    if fault.schema.get("title") == "SQL task":
        return "write one text, its statements separated by `;`"
    if fault.schema.get("title") == "Wait":
        return "make a task of each"
    if fault.schema.get("title") == "Sub-pipeline":
        return "name one file; another one is a task of its own"
    if fault.schema.get("title") == "Pool of the task":
        return f"write a mapping: `pool: {{{', '.join(f'{name}: 1' for name in fault.value)}}}`"
    if written := _CONSTANT_MAPPINGS.get(str(fault.schema.get("title"))):
        return f"write a mapping: `{fault.path[-1]}: {written}`"
    of_names = fault.path in (("params",), ("vars",)) or fault.schema.get("title") in ("Headers", "Query", "Form body")
    return f"write a mapping: `{fault.path[-1]}: {{NAME: value}}`" if of_names else ""


def _hint_for_text(fault: Fault) -> str:
    title = fault.schema.get("title")
    if title == "Task":
        return f"write `{fault.path[-1]}: {{shell: …}}`"
    if title == "Secret":
        return f"write `{fault.path[-1]}: {{env: {fault.path[-1]}}}`"
    if title == "Command":
        return "write a list: `[program, argument]`"
    if title == "Secrets":
        return f"write a list: `secrets: [{fault.value}]`"
    if title == "Tasks of a group":
        return _FIRST_TASK
    if written := {**MAPPINGS, **_CONSTANT_MAPPINGS}.get(str(title)):
        return f"write a mapping: `{fault.path[-1]}: {written}`"
    if fault.path[-2:-1] == ("tasks",) and isinstance(fault.path[-1], int):
        return f"write `- {fault.value}: {{shell: …}}`"
    if not fault.path:
        return FIRST_PIPELINE
    return ""
