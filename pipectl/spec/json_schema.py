"""Values checked against a JSON Schema by jsonschema, its faults in our words.

jsonschema is imported on first use, and without rfc3987_syntax, whose grammar takes 0.9 s to build at each start and
serves only the formats of internationalised URIs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from pipectl.spec.schema import KIND_WORDS
from pipectl.spec.source import Path
from pipectl.template.limits import TIME_LIMIT, TooSlow, within

_BOUNDS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "pattern": "must match `{}`",
    "format": "must be a valid {}",
    "const": "must be `{}`",
}


def schema_faults(fragment: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """What makes a schema invalid: the path to it and a sentence's end, as in `must be text, not 5`."""
    validator = _validator_class()
    return _faults(validator(validator.META_SCHEMA, format_checker=validator.FORMAT_CHECKER), fragment)


def value_faults(fragment: dict[str, Any], value: Any) -> Iterator[tuple[Path, str]]:
    """What keeps a value from fitting a valid schema, formats included."""
    validator = _validator_class()
    return _faults(validator(fragment, format_checker=validator.FORMAT_CHECKER), value)


def formats() -> frozenset[str]:
    """The values of `format` that are checked."""
    return frozenset(_validator_class().FORMAT_CHECKER.checkers)


def _faults(validator: Any, value: Any) -> Iterator[tuple[Path, str]]:
    errors: list[Any] = []
    try:
        within(TIME_LIMIT, lambda: errors.extend(validator.iter_errors(value)))
    except TooSlow:
        yield (), "takes too long to check: its `pattern` tries too many ways"
    except (OverflowError, RecursionError):  # a long integer against `multipleOf: 0.5`, lists deep within lists
        yield (), "is too large or too deep to be checked"
    for error in sorted(errors, key=lambda error: [str(step) for step in error.absolute_path]):
        yield tuple(error.absolute_path), _spoken(error)


def _spoken(error: Any) -> str:
    keyword, wanted, value = error.validator, error.validator_value, error.instance
    if keyword == "type":
        kinds = [wanted] if isinstance(wanted, str) else wanted
        return f"must be {' or '.join(KIND_WORDS.get(kind, kind) for kind in kinds)}, not `{_shown(value)}`"
    if keyword == "enum":
        return f"must be one of {', '.join(f'`{_shown(one)}`' for one in wanted)}, not `{_shown(value)}`"
    if keyword in _BOUNDS:
        return f"{_BOUNDS[keyword].format(wanted)}, not `{_shown(value)}`"
    if keyword == "required":
        return f"is without {', '.join(f'`{name}`' for name in wanted if name not in value)}"
    message = str(error.message)
    return f"is invalid: {message[:1].lower()}{message[1:]}"


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


@cache
def _validator_class() -> Any:
    blocked = "rfc3987_syntax" not in sys.modules
    if blocked:
        sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # the import system's own way to say: not there
    try:
        from jsonschema import Draft202012Validator
    finally:
        if blocked:
            del sys.modules["rfc3987_syntax"]
    return Draft202012Validator
