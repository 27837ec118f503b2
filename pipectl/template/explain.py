"""Makes one sentence of whatever computing an expression can raise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError

from pipectl.template.environment import NotDefined
from pipectl.template.errors import TemplateError, near, shorten
from pipectl.template.limits import TIME_LIMIT, TooSlow
from pipectl.template.references import Reference
from pipectl.template.syntax import references_of
from pipectl.template.text import Expression
from pipectl.template.values import kind

_KEY_METHODS = {"get": "|default(…)", "items": "|items", "keys": "|list", "values": "|items"}


def explain(error: BaseException, expression: Expression, names: Mapping[str, Any]) -> TemplateError:
    """The error as the author of the expression needs it."""
    if isinstance(error, NotDefined):
        return _not_defined(error, expression, names)
    hint = error.hint if isinstance(error, TemplateError) else ""
    source = shorten(expression.source)
    return TemplateError(f"`{source}` cannot be computed: {_reason(error)}", expression.offset, hint)


def _reason(error: BaseException) -> str:
    if isinstance(error, TemplateError):
        return error.message
    if isinstance(error, TooSlow):
        return f"it takes longer than {TIME_LIMIT:g} seconds"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, MemoryError):
        return "it needs too much memory"
    if isinstance(error, (UndefinedError, SecurityError)):
        return "it uses what is not there or not allowed"
    return _sentence(str(error) or type(error).__name__)


def _sentence(text: str) -> str:
    starts_with_a_word = text[1:2].islower() or text[1:2] == " "
    return (text[:1].lower() + text[1:] if starts_with_a_word else text).rstrip(".")


def _not_defined(error: NotDefined, expression: Expression, names: Mapping[str, Any]) -> TemplateError:
    for reference in references_of(expression):
        value: Any = names
        for depth, step in enumerate(reference.path):
            if not _has(value, step):
                if step == str(error.name):
                    return _path_ends(reference, depth, value)
                break
            value = value[int(step)] if isinstance(value, (list, tuple)) else value[step]
    # Without a name it is the first, last, smallest … of nothing.
    reason = (
        f"{kind(error.value)} has no `{shorten(str(error.name))}`" if error.name is not None else _sentence(str(error))
    )
    return TemplateError(f"`{shorten(expression.source)}` cannot be computed: {reason}", expression.offset)


def _has(value: Any, step: str) -> bool:
    if isinstance(value, (list, tuple)):
        return _is_index(step) and -len(value) <= int(step) < len(value)
    return isinstance(value, Mapping) and step in value


def _is_index(step: str) -> bool:
    return len(step) < 20 and step.removeprefix("-").isdecimal()


def _path_ends(reference: Reference, depth: int, value: Any) -> TemplateError:
    name, place = reference.path[depth], _spell(reference.path[:depth])
    hint = ""
    if isinstance(value, Mapping):
        message = f"`{_spell(reference.path[: depth + 1])}` is not defined"
        hint = near(name, value)
        if depth and name in _KEY_METHODS:
            hint = f"a dot looks up a key; write `{place}{_KEY_METHODS[name]}`"
    elif isinstance(value, (list, tuple)) and _is_index(name):
        elements = "1 element" if len(value) == 1 else f"{len(value)} elements"
        message = f"`{place}` has {elements}, and no `[{name}]`"
    else:
        message = f"`{place}` is {kind(value)} and has no `{name}`"
    return TemplateError(message, reference.offset, hint)


def _spell(path: tuple[str, ...]) -> str:
    text = path[0] if path else ""
    for step in path[1:]:
        if _is_index(step):
            text += f"[{step}]"
        else:
            text += f".{step}" if step.isidentifier() else f"['{step}']"
    return text
