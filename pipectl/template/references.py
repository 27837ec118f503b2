"""The names that a text uses: what can be said of its expressions before any value is known."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pipectl.template.text import Expression, has_expression, single, split


@dataclass(frozen=True, slots=True)
class Reference:
    """One use of a name: `tasks.load.output[0]` is the path `('tasks', 'load', 'output', '0')`.

    `offset` is where the name starts in the text. `dynamic` says that a subscript follows the path which is not a
    constant. `minus` is what the last part of the path and what is subtracted from it spell together: `flip-coin`
    for `tasks.flip-coin.output`, which is a subtraction, and was probably not meant as one; else it is empty.
    """

    path: tuple[str, ...]
    offset: int
    dynamic: bool = False
    minus: str = ""


def references(text: str, *, expression: bool = False, filters: Collection[str] = ()) -> list[Reference]:
    """Every use of a name in the text's expressions, in order; names that expressions bring themselves are left out.

    With `expression` the text is a condition, whose braces may be left out. `filters` are those that may end an
    expression besides, see `Renderer.parts`. Raises TemplateError for what cannot be read and for filters and tests
    that do not exist.
    """
    if not expression and not has_expression(text):
        return []
    from pipectl.template.syntax import references_of  # Jinja2 only where a text has an expression

    expressions = [single(text)] if expression else [part for part in split(text) if isinstance(part, Expression)]
    return [reference for part in expressions for reference in references_of(part, filters)]
