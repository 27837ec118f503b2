"""Which names have values before a run: of an expression, whether it can be computed without it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pipectl.engine.environment import texts
from pipectl.template import references

_MADE_BY_THE_RUN = frozenset({"id", "dir"})
_LOOKS_OUTSIDE = re.compile(r"\b(?:exists|glob|lines)\s*\(")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known where an expression stands.

    Of `params`, `vars` and `env` all but the `hidden` names; of the items that `foreach` made around it those of which
    `items` says so, the innermost first; the states of tasks where `states` says so, and their outputs only of those
    that are not in the run, as `absent` and `inputs` call them. `files` is whether those that are there now are those
    that it will see.
    """

    hidden: Mapping[str, Set[str]]
    items: Sequence[bool] = ()
    states: bool = False
    files: bool = False
    absent: Set[str] = frozenset()
    inputs: Set[str] = frozenset()

    def text(self, text: str, *, expression: bool = False) -> bool:
        """Whether a text can be computed; with `expression` it is one, whose braces may be left out."""
        if not self.files and _LOOKS_OUTSIDE.search(text):
            return False
        return all(self._path(path) for path in _paths(text, expression))

    def value(self, value: Any) -> bool:
        """Whether all texts in a value can be."""
        return all(self.text(text) for text in texts(value))

    def adding(self, name: str, entries: Mapping[str, Any]) -> Known:
        """What is known once entries are added to `vars` or `env`, each of which may use those above it."""
        known = self
        for key, value in entries.items():
            told = known.value(value)
            hidden = known.hidden[name]
            if told == (key in hidden):
                changed = hidden - {key} if told else hidden | {key}
                known = replace(known, hidden={**known.hidden, name: changed})
        return known

    def _path(self, path: tuple[str, ...]) -> bool:
        match path:
            case ("pipeline", *_):
                return True
            case ("params" | "vars" | "env" as name, *rest):
                hidden = self.hidden[name]
                return rest[0] not in hidden if rest else not hidden
            case ("run", part, *_):
                return part not in _MADE_BY_THE_RUN
            case ("item" | "index" | "outer", *_):
                depth = next((at for at, step in enumerate(path) if step != "outer"), len(path))
                return depth < len(self.items) and self.items[depth]
            case ("tasks", name, *rest):
                return name in self.absent or (self.states and rest[:1] == ["state"])
            case ("inputs", name, *_):
                return name in self.inputs
            case _:
                return False


@cache
def _paths(text: str, expression: bool) -> list[tuple[str, ...]]:
    return [reference.path for reference in references(text, expression=expression)]
