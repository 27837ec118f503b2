"""The order in which `vars` are computed when they come from several files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from pipectl.errors import Problem
from pipectl.spec.declaration import Declaration
from pipectl.spec.source import Part
from pipectl.template import TemplateError, references


def order(declaration: Declaration) -> Iterator[Problem]:
    """Puts each constant after those it uses, wherever they were declared; tells of those that use one another.

    In one file a constant may use those above it, and the order is that of the file. A file that includes may put its
    own in place of an included one, which others above use.
    """
    if len(declaration.sources) == 1:
        return
    uses = {name: _uses(part) for name, part in declaration.vars.items()}
    ordered: dict[str, Part] = {}
    for root in declaration.vars:
        path = {root: iter(uses[root])} if root not in ordered else {}
        while path:
            name = next(reversed(path))
            used = next(path[name], None)
            if used is None:
                ordered[name] = declaration.vars[name]
                del path[name]
            elif used in path:
                circle = " -> ".join([*list(path)[list(path).index(used) :], used])
                yield declaration.vars[name].problem(f"constants use one another in a cycle: {circle}")
            elif used in uses and used not in ordered:
                path[used] = iter(uses[used])
    declaration.vars = ordered


def _uses(part: Part) -> list[str]:
    used: list[str] = []
    for text in part.texts():
        with suppress(TemplateError):
            paths = [reference.path for reference in references(text.value)]
            used += [path[1] for path in paths if path[0] == "vars" and len(path) > 1]
    return used
