"""The words that stand beside a task in a picture: what is unusual about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from math import prod

from pipectl.model import Foreach, Task, TriggerRule
from pipectl.template import bare

_MOST_COMBINATIONS = 100_000


def notes_of(task: Task) -> Iterator[str]:
    """What differs from a task that just runs once what it needs succeeded."""
    yield from _shape(task)
    yield from _conditions(task)
    if task.cache is not None:
        yield "cached"
    if task.pool and not task.is_group:
        yield f"pool {', '.join(name if slots == 1 else f'{name} ({slots})' for name, slots in task.pool.items())}"


def _shape(task: Task) -> Iterator[str]:
    if task.foreach is not None:
        count = copies(task.foreach)
        yield "× n" if count is None else f"× {count:,}"
    if task.type == "wait":
        yield task.body["kind"]
    if task.pipeline is not None:
        yield task.pipeline.file.rpartition("/")[2]


def _conditions(task: Task) -> Iterator[str]:
    if task.trigger is not TriggerRule.ALL_SUCCESS:
        yield str(task.trigger)
    if task.when is not None:
        yield f"when {visible(bare(task.when))}"
    if task.retries.max and not task.is_group:
        yield f"retries {task.retries.max}"
    if task.allow_failure:
        yield "may fail"
    if task.fail_fast:
        yield "fails fast"


def copies(foreach: Foreach | None) -> int | None:
    """How many copies a `foreach` makes of a task; None where only the run can tell."""
    if foreach is None:
        return 1
    if foreach.matrix is None:
        return None if isinstance(foreach.items, str) or foreach.items is None else len(foreach.items)
    lists = list(foreach.matrix.values())
    if any(isinstance(values, str) for values in lists):
        return None
    count = prod(map(len, lists))
    if not foreach.exclude and not foreach.include:
        return count
    told = json.dumps([foreach.matrix, foreach.exclude, foreach.include], default=str)
    return None if "{{" in told or count > _MOST_COMBINATIONS else len(_combinations(foreach))


def _combinations(foreach: Foreach) -> list[object]:
    assert foreach.matrix is not None
    found: list[object] = []
    for values in product(*foreach.matrix.values()):
        item = dict(zip(foreach.matrix, values, strict=True))
        if not any(all(name in item and item[name] == value for name, value in one.items()) for one in foreach.exclude):
            found.append(item)
    return [*found, *(one for one in foreach.include if one not in found)]


def visible(text: str) -> str:
    """The text with escapes (`\\u202e`) for characters that nobody sees, and that may turn or hide others."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
