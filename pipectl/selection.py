"""A part of a pipeline: the tasks that `--only`, `--from`, `--until` and `--skip` choose, as a pipeline of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from pipectl.errors import UsageError
from pipectl.model import Cache, Foreach, Pipeline, Task, TriggerRule
from pipectl.outline import Place, outline, task_path
from pipectl.spec.words import did_you_mean
from pipectl.template import TemplateError, has_expression, references


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen, as it was typed: names of tasks and groups, patterns of names, and `tag:NAME`.

    `until` takes all that these tasks need, `from_` all that needs them, `only` just them; `skip` is left out.
    """

    only: Sequence[str] = ()
    from_: Sequence[str] = ()
    until: Sequence[str] = ()
    skip: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Selected:
    """The chosen part of a pipeline. `wanted` are the tasks left out whose outputs it uses, each with one that does."""

    pipeline: Pipeline
    wanted: Mapping[str, str] = field(default_factory=dict)


def select(pipeline: Pipeline, selection: Selection) -> Selected:
    """The part that is chosen. What a task of it needs of the rest is no more in its `needs`, but in its `left_out`.

    Raises UsageError for names of nothing, and where nothing is left.
    """
    places = outline(pipeline.tasks)
    named = _Names(places)
    heads = {key: named.leaves(f"--{key.strip('_')}", getattr(selection, key)) for key in ("only", "from_", "until")}
    kept = {place.path for leaves in heads.values() for place in leaves}
    kept |= {place.path for place in _closure(heads["until"], _needed(places))}
    kept |= {place.path for place in _closure(heads["from_"], _needing(places))}
    if not (selection.only or selection.from_ or selection.until):
        kept = {place.path for place in places.values() if not place.inner}
    asked = {place.path for leaves in heads.values() for place in leaves}
    kept -= {place.path for place in named.leaves("--skip", selection.skip)}
    if not kept:
        raise UsageError("nothing is left of the pipeline to run", "leave out `--skip`")
    rest = _Rest(places, _around(places, kept), _around(places, asked))
    wanted: dict[str, str] = {}
    for path, user in rest.wanted():
        wanted.setdefault(path, user)
    return Selected(replace(pipeline, tasks=rest.tasks(pipeline.tasks)), wanted)


def _around(places: Mapping[str, Place], paths: Set[str]) -> Set[str]:
    """The tasks with the groups that they are in."""
    return paths | {around.path for path in paths for around in places[path].around()}


# Names


class _Names:
    """The tasks that names stand for."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = places

    def leaves(self, option: str, texts: Iterable[str]) -> list[Place]:
        """The tasks that hold no others, of all that the texts name. Raises UsageError for a name of nothing."""
        found: dict[str, Place] = {}
        for text in texts:
            for place in self._named(option, text):
                found |= {leaf.path: leaf for leaf in _leaves(place)}
        return list(found.values())

    def _named(self, option: str, text: str) -> Sequence[Place]:
        tag = text.removeprefix("tag:")
        if tag != text:
            tagged = [place for place in self._places.values() if tag in place.task.tags]
            if not tagged:
                tags = dict.fromkeys(one for place in self._places.values() for one in place.task.tags)
                hint = did_you_mean(tag, tags) or (f"there are: {', '.join(tags)}" if tags else "")
                raise UsageError(f"`{option} {text}`: no task has the tag `{tag}`", hint)
            return tagged
        if text in self._places:
            return [self._places[text]]
        found = [place for place in self._places.values() if _matches(place.path.split("."), text.split("."))]
        if len(found) > 1 and not set("*?[") & set(text):
            paths = " or ".join(f"`{place.path}`" for place in found)
            raise UsageError(f"`{option} {text}`: there are several tasks of this name", f"write {paths}")
        return found or self._unknown(option, text)

    def _unknown(self, option: str, text: str) -> Sequence[Place]:
        if task_path(text) in self._places:
            whole = task_path(text)
            raise UsageError(f"`{option} {text}`: one instance cannot be chosen", f"write `{option} {whole}`")
        hint = did_you_mean(text, self._places) or f"it has: {', '.join(f'`{path}`' for path in self._places)}"
        raise UsageError(f"`{option} {text}`: the pipeline has no such task", hint)


def _matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path fits the pattern, or what it ends in does: a name may be that within its group."""
    if len(pattern) > len(path):
        return False
    return all(fnmatchcase(step, part) for step, part in zip(path[-len(pattern) :], pattern, strict=True))


def _leaves(place: Place) -> Iterator[Place]:
    ahead = [place]
    for one in ahead:
        ahead += one.inner
        if not one.inner:
            yield one


# What needs what


def _closure(start: Iterable[Place], edges: Mapping[str, Sequence[Place]]) -> Iterator[Place]:
    """The tasks that edges lead to from others, and from the groups that these are in; those included."""
    ahead = list(start)
    seen = {place.path for place in ahead}
    followed: set[str] = set()
    for place in ahead:
        if not place.inner:
            yield place
        around = [one for one in (place, *place.around()) if one.path not in followed]
        followed |= {one.path for one in around}
        for other in (*place.inner, *(other for one in around for other in edges[one.path])):
            if other.path not in seen:
                seen.add(other.path)
                ahead.append(other)


def _needed(places: Mapping[str, Place]) -> dict[str, list[Place]]:
    return {path: [places[need] for need in place.needs] for path, place in places.items()}


def _needing(places: Mapping[str, Place]) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {path: [] for path in places}
    for place in places.values():
        for need in place.needs:
            found[need].append(place)
    return found


# What is left


_SEE_WHAT_THEY_NAME = frozenset({None, "tasks", "pipeline", "sql", "http", "approve", "file", "run", "until", "for"})
"""Types, and kinds of waits, that get no outputs but those that their expressions name."""


@dataclass(frozen=True, slots=True)
class _Rest:
    """The pipeline without what is not `inside`; `asked` are tasks that run whatever the rest came to."""

    places: Mapping[str, Place]
    inside: Set[str]
    asked: Set[str]

    def tasks(self, tasks: Mapping[str, Task], prefix: str = "") -> dict[str, Task]:
        """Those of the tasks that are left."""
        return {name: self._task(task, prefix + name) for name, task in tasks.items() if prefix + name in self.inside}

    def _task(self, task: Task, path: str) -> Task:
        needs = list(zip(task.needs, self.places[path].needs, strict=True))
        kept = tuple(need for need, whole in needs if whole in self.inside)
        left_out = tuple(need for need, whole in needs if whole not in self.inside)
        rest = replace(task, needs=kept, left_out=left_out)
        if left_out and not kept and path in self.asked and task.trigger is not TriggerRule.ALWAYS:
            rest = replace(rest, trigger=TriggerRule.ALL_DONE)
        if task.pipeline is not None:
            inner = replace(task.pipeline, tasks=self.tasks(task.pipeline.tasks, f"{path}."))
            return replace(rest, pipeline=inner)
        return replace(rest, tasks=self.tasks(task.tasks, f"{path}.")) if task.tasks else rest

    def wanted(self) -> Iterator[tuple[str, str]]:
        """Tasks that are not left and whose outputs are used, each with one that uses it."""
        for path, place in self.places.items():
            for used in self._used(place) if path in self.inside else ():
                for missing in self._missing(self.places[used]):
                    if missing.task.type is not None:
                        yield missing.path, path

    def _used(self, place: Place) -> Iterator[str]:
        """The tasks whose outputs a task uses; what runs code of its own may use all `inputs`, whatever it says."""
        task, names = place.task, _names(place.task)
        if task.body.get("kind", task.type) not in _SEE_WHAT_THEY_NAME or any(name[0] == "inputs" for name in names):
            yield from place.needs
        for name in dict.fromkeys(name[1] for name in names if name[0] == "tasks" and len(name) > 1):
            yield from self._found(place, name)

    def _missing(self, place: Place) -> Iterator[Place]:
        """The task, or what is missing of a group that is left in part."""
        if place.path not in self.inside:
            yield place
        else:
            for inner in place.inner:
                yield from self._missing(inner)

    def _found(self, place: Place, name: str) -> Iterator[str]:
        """The task that a name stands for in another: of its own group first, then outwards."""
        for around in place.around():
            if f"{around.path}.{name}" in self.places:
                yield f"{around.path}.{name}"
                return
            if around.task.pipeline is not None:
                return
        if name in self.places:
            yield name


def _names(task: Task) -> list[tuple[str, ...]]:
    """The names in the expressions of a task, with what follows their dots."""
    foreach, cache = task.foreach or Foreach(), task.cache or Cache()
    conditions = [task.when, *task.expect, task.allow_failure, foreach.key, cache.key]
    written = [task.env, task.cwd, task.body, foreach.items, foreach.matrix]
    written += map(list, (foreach.exclude, foreach.include, cache.inputs, cache.outputs))
    found: list[tuple[str, ...]] = []
    for text, expression in (
        *((text, True) for text in conditions if isinstance(text, str)),
        *((text, False) for value in written for text in _texts(value)),
    ):
        with suppress(TemplateError):  # a script, whose braces are not ours
            found += [reference.path for reference in references(text, expression=expression)]
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if has_expression(value):
            yield value
    elif isinstance(value, list | Mapping):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)
