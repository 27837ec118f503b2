"""What a task is repeated for, as far as the file says it: lists that are none, combinations that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from pipectl.errors import Problem
from pipectl.labels import item_variables
from pipectl.spec.check_items import known_keys
from pipectl.spec.groups import dimensions
from pipectl.spec.nesting import has
from pipectl.spec.param_declarations import lost_zeros
from pipectl.spec.source import Part
from pipectl.spec.words import did_you_mean
from pipectl.template import TemplateError, is_expression

_MOST_ITEMS = 1_000_000


def repeat_problems(name: str, task: Part) -> Iterator[Problem]:
    """What is wrong with `foreach` of a task, and with the keys that need one."""
    foreach = task.get("foreach")
    if foreach is not None:
        yield from _foreach_problems(foreach)
    elif has(task, "foreach"):
        return
    elif "key" in task.value:
        message = f"task `{name}` has a `key`, which labels what a `foreach` makes, and no `foreach`"
        yield task["key"].problem(message, "add `foreach: […]`", key=True)


def _foreach_problems(foreach: Part) -> Iterator[Problem]:
    if isinstance(foreach.value, str):
        yield from _not_an_expression(foreach, "foreach: ")
        return
    if isinstance(foreach.value, dict):
        yield from _matrix_problems(foreach)
    yield from lost_zeros("foreach", foreach)
    yield from _variables_of_one_name(foreach)


def _not_an_expression(values: Part, key: str) -> Iterator[Problem]:
    text: str = values.value.strip()
    try:
        if is_expression(text):
            return
    except TemplateError:
        return  # and is told with all other expressions
    what = f"`{values.path[-1]}` is a list, or one expression that gives one, not text"
    if "{{" in text:
        yield values.problem(what, "write nothing beside the braces")
    elif "(" in text or text.split(".")[0] in ("params", "vars", "tasks", "inputs", "item", "outer"):
        yield values.problem(what, f'write `{key}"{{{{ {text} }}}}"`')
    else:
        yield values.problem(what, f"write `{key}[{text}]`")


def _matrix_problems(matrix: Part) -> Iterator[Problem]:
    lists = {name: matrix[name] for name in dimensions(matrix.value)}
    if not lists and not matrix.taken:
        hint = (
            "write the items as a list: `foreach: [{…}, …]`" if "include" in matrix.value else "write `{NAME: [a, b]}`"
        )
        yield matrix.problem("`foreach` has nothing to combine", hint, key=True)
    for name, values in lists.items():
        if isinstance(values.value, str):
            yield from _not_an_expression(values, f"{name}: ")
    size = prod(len(values.value) for values in lists.values() if isinstance(values.value, list))
    if size > _MOST_ITEMS:
        yield matrix.problem(
            f"`foreach` makes {size:,} combinations, and at most {_MOST_ITEMS:,} are carried out", key=True
        )
    excluded = matrix.get("exclude")
    for entry in excluded.entries() if excluded is not None and not matrix.taken else ():
        yield from _useless_exclusion(entry, lists)


def _useless_exclusion(entry: Part, lists: dict[str, Part]) -> Iterator[Problem]:
    """An entry of `exclude` that no combination can match."""
    for name, value in entry.items():
        if name not in lists:
            yield value.problem(f"`foreach` has no `{name}` to exclude", did_you_mean(name, lists), key=True)
        elif _is_constant(value) and _is_constant(lists[name]) and value.value not in lists[name].value:
            message = f"`exclude` names a `{name}` that is not in its list: nothing is excluded by it"
            yield value.problem(message, warning=True)


def _is_constant(part: Part) -> bool:
    return not any("{{" in text.value for text in part.texts())


def _variables_of_one_name(foreach: Part) -> Iterator[Problem]:
    """Keys of items that would be one variable: `ITEM_A_B` for both `a-b` and `a_b`."""
    first: dict[str, str] = {}
    for key in known_keys(foreach) or ():
        ((variable, _),) = item_variables({key: None}).items()
        other = first.setdefault(variable, key)
        if other != key:
            yield foreach.problem(
                f"the keys `{other}` and `{key}` would both be `{variable}`", "rename one of them", key=True
            )
