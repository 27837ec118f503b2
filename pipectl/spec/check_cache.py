"""Caches that cannot be kept: of tasks that run nothing, and of files that are input and output at once."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import normpath

from pipectl.durations import parse_duration
from pipectl.errors import Problem
from pipectl.spec.bodies import TYPES
from pipectl.spec.nesting import HOLDERS
from pipectl.spec.source import Part

_TYPES = frozenset({*TYPES, *HOLDERS})


def cache_problems(cache: Part) -> Iterator[Problem]:
    """What is wrong with the `cache` of a task or of the defaults of tasks."""
    inputs, outputs, ttl = cache.get("inputs"), cache.get("outputs"), cache.get("ttl")
    read = {normpath(entry.value) for entry in inputs.entries()} if inputs is not None else set()
    for entry in outputs.entries() if outputs is not None else ():
        if normpath(entry.value) in read:
            message = f"`{entry.value}` is both input and output: what the task leaves would change what it depends on"
            yield entry.problem(message, "keep it in one of the two")
    if ttl is not None and parse_duration(ttl.value) == 0:
        yield ttl.problem("what is done lives for no time at all", "write `cache: false` for no cache")


def useless_cache(name: str, task: Part) -> Iterator[Problem]:
    """A task without a type, of which there is nothing to keep."""
    if task.value.keys().isdisjoint(_TYPES) and task.taken.isdisjoint(_TYPES):
        yield task["cache"].problem(f"task `{name}` runs nothing that could be cached", "remove `cache`", key=True)
