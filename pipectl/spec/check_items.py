"""`item`, `index` and `outer`: what a repeated task sees of that for which it is repeated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipectl.spec.declaration import Declaration
from pipectl.spec.groups import dimensions
from pipectl.spec.nesting import around, has
from pipectl.spec.source import Part
from pipectl.spec.words import did_you_mean

ITEM_NAMES = frozenset({"item", "index", "outer"})

Frames = tuple[Part | None, ...]
"""The `foreach` of a task and of the groups around it, the innermost first; None for one that a fault took out."""


def frames(task: str, declaration: Declaration, *, own: bool = True) -> Frames:
    """What the expressions of a task are repeated for; with `own` false without the task's own `foreach`."""
    paths = (task, *around(task)) if own else tuple(around(task))
    parts = [declaration.tasks[path] for path in paths]
    return tuple(part.get("foreach") for part in parts if has(part, "foreach"))


def names_of(around_it: Frames) -> frozenset[str]:
    """The names that are known within these."""
    return ITEM_NAMES if len(around_it) > 1 else ITEM_NAMES - {"outer"} if around_it else frozenset()


def wrong_item(path: tuple[str, ...], around_it: Frames) -> tuple[str, str] | None:
    """Message and hint for what cannot be had of `item`, `index` or `outer`; the first step of the path is known."""
    depth = next((depth for depth, step in enumerate(path) if step != "outer"), len(path))
    written = ".".join(path[: depth + 1])
    if depth == len(path):
        return f"`{written}` is no value", f"write `{written}.item`"
    if depth >= len(around_it):
        return f"`{written}`: there is no `foreach` so far outside", f"write `{'outer.' * (len(around_it) - 1)}item`"
    if path[depth] not in ("item", "index"):
        return (
            f"`{'.'.join(path[:depth])}` has no `{path[depth]}`",
            "it has `item`, `index`, and `outer` where there is one",
        )
    if path[depth] == "index" or len(path) == depth + 1:
        return None
    return _wrong_key(written, path[depth + 1], around_it[depth])


def _wrong_key(written: str, key: str, foreach: Part | None) -> tuple[str, str] | None:
    known = known_keys(foreach)
    if known is None or key in known:
        return None
    hint = did_you_mean(key, known) or "it has " + ", ".join(f"`{one}`" for one in known)
    return f"`{written}` has no `{key}`", hint


def known_keys(foreach: Part | None) -> list[str] | None:
    """The keys of the items, as far as the file says them; None where it does not."""
    if foreach is None or foreach.taken:
        return None
    if isinstance(foreach.value, dict):
        return list(dict.fromkeys([*dimensions(foreach.value), *_keys_of(foreach.value.get("include", []))]))
    if isinstance(foreach.value, list) and foreach.value and all(isinstance(one, dict) for one in foreach.value):
        return list(dict.fromkeys(_keys_of(foreach.value)))
    return None


def _keys_of(items: Iterable[Any]) -> list[str]:
    return [key for item in items if isinstance(item, dict) for key in item]
